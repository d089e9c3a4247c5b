//! `rollcall-agent validate`

use super::FAILURE;
use crate::settings::{self, Settings};

pub(super) fn run(settings: &Settings) -> anyhow::Result<u8> {
    let mut code = 0;
    match &settings.file {
        Some(file) => {
            match settings::check_permissions(file) {
                Ok(()) => say!("{} can be used", file.display()),
                Err(error) => {
                    say!("{error}");
                    code = FAILURE;
                }
            };
        }
        None => say!("there is no configuration file; what is built in and the environment hold"),
    }
    for (known, text) in settings.given.texts() {
        match text {
            Some(text) => say!("{} = {:?}", known.name, without_password(&text)),
            None => say!("# {} is not set", known.name),
        }
    }
    say!("# the spool is in {}", settings.spool_dir().display());
    Ok(code)
}

/// A proxy's password is nobody's business who looks over a shoulder.
fn without_password(text: &str) -> String {
    match url::Url::parse(text) {
        Ok(mut url) if url.password().is_some() => match url.set_password(Some("***")) {
            Ok(()) => url.to_string(),
            Err(()) => "***".to_owned(),
        },
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(without_password("http://user:secret@proxy:3128/"), "http://user:***@proxy:3128/");
        for plain in ["http://proxy:3128", "15m", "a,b"] {
            assert_eq!(without_password(plain), plain);
        }
    }
}
