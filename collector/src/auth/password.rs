//! Passwords: argon2id with the parameters that OWASP recommends, off the async threads, a few at a time.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Hashes computed at the same time: each takes 19 MiB and a core.
const CONCURRENT: usize = 2;

/// Shortest password, in characters. Length is what makes a password strong; no composition rules.
pub const MIN_CHARACTERS: usize = 12;

/// Longest password, in bytes.
pub const MAX_BYTES: usize = 1_024;

/// A hash of nothing anybody knows, with the parameters of real ones: checking a password against it takes as long as
/// against a real one, so that the time of an answer does not tell which names exist.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$cm9sbGNhbGwvbm9ib2R5$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Hashes and checks passwords.
pub struct Passwords {
    slots: Semaphore,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { slots: Semaphore::new(CONCURRENT) }
    }
}

/// Why a password was not hashed or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// It cannot be used; the message says why.
    #[error("{0}")]
    Unfit(String),
    /// The hash function failed or the collector is stopping.
    #[error("the password could not be hashed")]
    Failed,
}

/// Refuses passwords that are too short, too long, or the name itself.
///
/// # Errors
/// [`PasswordError::Unfit`]
pub fn check_strength(name: &str, password: &str) -> Result<(), PasswordError> {
    let unfit = |text: String| Err(PasswordError::Unfit(text));
    if password.chars().count() < MIN_CHARACTERS {
        return unfit(format!("a password has at least {MIN_CHARACTERS} characters; a few words in a row are easy to remember"));
    }
    if password.len() > MAX_BYTES {
        return unfit(format!("a password has at most {MAX_BYTES} bytes"));
    }
    let first = password.chars().next();
    if password.chars().all(|character| Some(character) == first) || password.to_lowercase().replace(&name.to_lowercase(), "").is_empty() {
        return unfit("this password is the first that would be guessed; take a few words in a row".to_owned());
    }
    Ok(())
}

impl Passwords {
    /// The PHC string to store for a password; see [`check_strength`] first.
    ///
    /// # Errors
    /// [`PasswordError::Failed`]
    pub async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let password = Zeroizing::new(password.to_owned());
        self.run(move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()))
            .await?
            .map_err(|_| PasswordError::Failed)
    }

    /// Whether the password is the one of this stored hash. `None` (no such person) takes as long and is never so.
    ///
    /// # Errors
    /// [`PasswordError::Failed`]
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<bool, PasswordError> {
        if password.len() > MAX_BYTES {
            return Ok(false);
        }
        let exists = stored.is_some();
        let stored = stored.unwrap_or(NOBODY).to_owned();
        let password = Zeroizing::new(password.to_owned());
        let right = self
            .run(move || PasswordHash::new(&stored).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()))
            .await?;
        Ok(right && exists)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let _slot = self.slots.acquire().await.map_err(|_| PasswordError::Failed)?;
        tokio::task::spawn_blocking(work).await.map_err(|_| PasswordError::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_somebody_holds() {
        let passwords = Passwords::default();
        let stored = passwords.hash("correct horse battery").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(passwords.verify("correct horse battery", Some(&stored)).await.unwrap());
        assert!(!passwords.verify("correct horse batterY", Some(&stored)).await.unwrap());
        assert!(!passwords.verify("correct horse battery", None).await.unwrap());
        assert!(!passwords.verify("correct horse battery", Some("not a hash")).await.unwrap());
    }

    #[test]
    fn checking_nobodys_password_costs_as_much_as_checking_somebodys() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let somebody = Argon2::default().hash_password(b"x").unwrap();
        assert_eq!(nobody.params.to_string(), somebody.params.to_string());
        assert_eq!(nobody.algorithm, somebody.algorithm);
        assert_eq!(nobody.hash.unwrap().len(), somebody.hash.unwrap().len());
    }

    #[test]
    fn weak_passwords_are_refused() {
        for (password, good) in [
            ("correct horse battery", true),
            ("short", false),
            ("aaaaaaaaaaaaaaaa", false),
            ("adminadminadmin", false),
            ("päßwörter wie", true),
        ] {
            assert_eq!(check_strength("admin", password).is_ok(), good, "{password}");
        }
        assert!(check_strength("admin", &"ab".repeat(MAX_BYTES)).is_err());
    }
}
