//! An address that only takes forms, asked for as a page: by a bookmark, by reloading, by going back.

use axum::http::{Method, Uri};

use super::problem::Problem;

/// Says that nothing happened, and leads to the page that has the form.
pub(super) async fn show(method: Method, uri: Uri) -> Problem {
    let what = match method {
        Method::GET | Method::HEAD => "This address only takes what a form sends, and was opened without one. Nothing was changed.",
        _ => "This address cannot be asked for in this way. Nothing was changed.",
    };
    let (href, label) = nearest(uri.path());
    // The overview is offered anyway.
    Problem::wrong_method(what, Some((href, label)).filter(|(href, _)| href != "/"))
}

/// The page on which forms of this address stand, as far as an address tells.
fn nearest(path: &str) -> (String, &'static str) {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let one_of = |label| (format!("/{}/{}", parts[0], parts[1]), label);
    match parts.as_slice() {
        ["items", "new" | "names" | "export", ..] => ("/items".to_owned(), "Go to the inventory"),
        ["items", _, ..] => one_of("Go to the item"),
        ["imports", _, ..] => one_of("Go to the import"),
        ["classes", _, ..] => one_of("Go to the class"),
        ["applications", id, ..] if *id != "new" => one_of("Go to the application"),
        ["views", _, "delete"] => one_of("Go to the view"),
        ["impact", "answers", id, ..] => (format!("/impact/answers/{id}"), "Go to the kept answer"),
        ["items" | "views", ..] => ("/items".to_owned(), "Go to the inventory"),
        ["classes" | "relationship-types", ..] => ("/classes".to_owned(), "Go to the classes"),
        ["applications", ..] => ("/applications".to_owned(), "Go to the applications"),
        ["people", ..] => ("/people".to_owned(), "Go to the people"),
        ["suggestions", ..] => ("/suggestions".to_owned(), "Go to the suggestions"),
        ["enrollment", ..] => ("/enrollment".to_owned(), "Go to enrollment"),
        ["duplicates", ..] => ("/duplicates".to_owned(), "Go to the possible duplicates"),
        ["impact", ..] => ("/impact".to_owned(), "Go to impact"),
        _ => ("/".to_owned(), "Go to the overview"),
    }
}
