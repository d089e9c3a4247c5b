//! What tests of several rooms start from.

use tempfile::TempDir;

use crate::{
    auth::console,
    config::Config,
    serve::{Running, start_on},
    store::open,
};

/// A collector with an empty estate, its console's token, and the directory that it lives in for as long as that is kept.
pub(crate) async fn collector() -> (Running, String, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let loopback = ([127, 0, 0, 1], 0).into();
    let mut config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    (config.agents.listen, config.people.listen) = (loopback, loopback);
    let store = open(&config.database, &config.data_dir).await.unwrap();
    let running = start_on(config, store).await.unwrap();
    let console = console::read_token(dir.path()).unwrap().to_string();
    (running, console, dir)
}
