//! What people should look at: redundancy that evidence suggests, and where the register and reality part.

mod reports;
mod suggestions;

pub(super) use reports::show as reports;
pub(super) use suggestions::{decide, show as suggestions};

/// The pages to review.
struct Tab {
    label: &'static str,
    href: &'static str,
    current: bool,
}

fn tabs(current: &str) -> Vec<Tab> {
    const TABS: [(&str, &str); 5] = [
        ("Suggested redundancy", "/suggestions"),
        ("Observed, never declared", "/reports?show=observed"),
        ("Declared, never observed", "/reports?show=declared"),
        ("Orphans", "/reports?show=orphans"),
        ("Isolated", "/reports?show=isolated"),
    ];
    TABS.into_iter().map(|(label, href)| Tab { label, href, current: href == current }).collect()
}
