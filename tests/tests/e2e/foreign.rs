//! Other programs' agents, as Debian packages them, report over TLS; and GLPI Agent's conversation, which Debian does not package.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context, ensure};
use reqwest::{Client, Method, StatusCode, Url};
use rollcall_tests::harness::{Collector, CollectorOptions};
use serde_json::{Value, json};

/// A token of this role, made for a person that is made for it.
async fn token(collector: &Collector, name: &str, role: &str) -> anyhow::Result<String> {
    token_with(collector, json!({ "name": name, "role": role })).await
}

async fn token_with(collector: &Collector, mut new: Value) -> anyhow::Result<String> {
    let owner = format!("owner-of-{}", new["name"].as_str().unwrap_or_default());
    let user = json!({ "name": owner, "role": "admin", "password": "correct horse battery staple" });
    collector.api().post("/api/v1/users", &user).await?;
    new["owner"] = owner.into();
    let made = collector.api().post("/api/v1/api-tokens", &new).await?;
    ensure!(new["realm"].is_null() || made["realm"] == new["realm"], "{made}");
    Ok(made["token"].as_str().context("no token")?.to_owned())
}

fn root(collector: &Collector) -> std::path::PathBuf {
    collector.data_dir().join("ca/root.pem")
}

async fn run(mut command: Command) -> anyhow::Result<Output> {
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

/// It keeps its state in one place of the machine: that place is its own here.
fn fusioninventory(server: &Url, root: &Path, _: &Path) -> Command {
    const OWN_STATE: &str = "mount -t tmpfs tmpfs /var/lib/fusioninventory-agent && exec fusioninventory-agent \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", OWN_STATE, "sh"]);
    command.arg(format!("--server={server}")).arg(format!("--ca-cert-file={}", root.display()));
    command.args(["--config=none", "--force", "--logger=stderr", "--debug"]);
    command
}

fn ocsinventory(server: &Url, root: &Path, state: &Path) -> Command {
    let mut command = Command::new("ocsinventory-agent");
    command.arg(format!("--server={server}")).arg(format!("--ca={}", root.display()));
    command.arg(format!("--basevardir={}", state.display())).args(["--ssl=1", "--force", "--nolocal", "--debug"]);
    command
}

/// Runs the program twice; the machine is there, complete, after the first time, and the second changes nothing.
async fn completes(name: &str, program: impl Fn(&Url, &Path, &Path) -> Command) -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let token = token(&collector, name, "inventory_source").await?;
    let server = collector.api().base().join(&format!("foreign/{token}"))?;
    let state = tempfile::tempdir()?;
    let output = run(program(&server, &root(&collector), state.path())).await?;
    let log = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{name} ended with {}:\n{log}", output.status);

    let machines = collector.machines().await?;
    ensure!(machines.len() == 1, "{} machines; the program's log:\n{log}", machines.len());
    let machine = collector.api().get(&format!("/api/v1/cis/{}", machines[0]["id"].as_str().context("no id")?)).await?;
    let text = machine.to_string();
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname")?;
    ensure!(machine["name"] == hostname.trim().split('.').next().unwrap_or_default(), "{text}");
    ensure!(text.contains(&format!("import:{name}")), "{text}");
    for attribute in ["operating_system", "package_count", "cpu_model", "memory_bytes", "ip_addresses"] {
        ensure!(text.contains(attribute), "{name} told no {attribute}: {text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn fusioninventory_agent_completes_an_inventory() -> anyhow::Result<()> {
    completes("fusioninventory", fusioninventory).await
}

#[tokio::test(flavor = "multi_thread")]
async fn ocsinventory_agent_completes_an_inventory() -> anyhow::Result<()> {
    completes("ocsinventory", ocsinventory).await
}

#[tokio::test(flavor = "multi_thread")]
async fn glpi_agents_conversation_ends_with_a_stored_inventory() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let token = token(&collector, "glpi", "inventory_source").await?;
    // Another test of this process may have done so before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().tls_certs_only([reqwest::Certificate::from_pem(&fs::read(root(&collector))?)?]).no_proxy().build()?;
    let server = collector.api().base().join(&format!("foreign/{token}"))?;
    let post = async |body: String| -> anyhow::Result<(StatusCode, Value)> {
        let request = client.post(server.clone()).header("GLPI-Agent-ID", "0b6e2b2e-0000-4000-8000-000000000001").body(body);
        let response = request.send().await?;
        Ok((response.status(), serde_json::from_slice(&response.bytes().await?)?))
    };
    let prolog = "<?xml version=\"1.0\"?><REQUEST><DEVICEID>lap-1</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>";
    let (status, answer) = post(prolog.into()).await?;
    ensure!(status == StatusCode::ACCEPTED && answer["status"] == "pending", "{status} {answer}");
    let (_, answer) = post(json!({ "action": "contact", "deviceid": "lap-1", "enabled-tasks": ["inventory"] }).to_string()).await?;
    ensure!(answer["status"] == "ok" && answer["tasks"]["inventory"]["server"] == "glpi", "{answer}");
    let inventory = |partial: bool, packages: &[&str]| {
        let software: Vec<Value> = packages.iter().map(|name| json!({ "name": name, "version": "1", "from": "deb" })).collect();
        let content = json!({ "versionclient": "GLPI-Agent_v1.12", "hardware": { "name": "lap-1" }, "softwares": software });
        json!({ "action": "inventory", "deviceid": "lap-1", "itemtype": "Computer", "partial": partial, "content": content }).to_string()
    };
    // Its first upload failed on the way: what comes is partial, of a machine that nobody has heard of.
    for (body, packages, incomplete) in
        [(inventory(true, &["vim"]), 1, true), (inventory(false, &["bash", "vim"]), 2, false), (inventory(true, &["curl"]), 3, false)]
    {
        let (status, answer) = post(body).await?;
        ensure!(status.is_success() && answer["status"] == "ok", "{status} {answer}");
        let machines = collector.machines().await?;
        ensure!(machines.len() == 1, "{machines:?}");
        let machine = collector.api().get(&format!("/api/v1/cis/{}", machines[0]["id"].as_str().context("no id")?)).await?.to_string();
        ensure!(machine.contains("inventory_incomplete") == incomplete, "{machine}");
        ensure!(machine.contains(&format!("\"value\":{packages}")), "{packages} packages: {machine}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_of_two_sites_never_mix_and_the_audit_log_is_of_people() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    for (site, device) in [("berlin", "desk-1"), ("porto", "desk-2")] {
        let token = token_with(&collector, json!({ "name": site, "role": "inventory_source", "realm": site })).await?;
        let network =
            json!([{ "description": "eth0", "type": "ethernet", "status": "Up", "ipaddress": "10.9.0.5", "ipmask": "255.255.255.0" }]);
        let content = json!({ "hardware": { "name": device }, "networks": network });
        let inventory = json!({ "action": "inventory", "deviceid": device, "itemtype": "Computer", "content": content });
        let path = format!("/foreign/{token}");
        let (status, answer) = collector.api().send(Method::POST, &path, Some(&inventory)).await?;
        ensure!(status.is_success(), "{status} {answer}");
    }
    for (site, device) in [("berlin", "desk-1"), ("porto", "desk-2")] {
        let question = json!({ "failures": [{ "set": format!("subnet:10.9.0.0/16@{site}") }] });
        let answer = collector.api().post("/api/v1/impact", &question).await?.to_string();
        let other = if device == "desk-1" { "desk-2" } else { "desk-1" };
        ensure!(answer.contains(device) && !answer.contains(other), "{site}: {answer}");
    }
    let (status, _) = collector
        .api()
        .send(
            Method::POST,
            "/api/v1/api-tokens",
            Some(&json!({ "name": "x", "role": "viewer", "owner": "owner-of-porto", "realm": "berlin" })),
        )
        .await?;
    ensure!(status == StatusCode::UNPROCESSABLE_ENTITY, "{status}");
    // What programs report is in the items' history; the log of who did what is not flooded with it.
    let log = collector.api().get("/api/v1/audit?limit=100").await?.to_string();
    ensure!(log.contains("api_token.create") && !log.contains("\"action\":\"inventory"), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_of_its_own_nothing_is_taken() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let admin = token(&collector, "admin", "admin").await?;
    let inventory = token(&collector, "programs", "inventory_source").await?;
    let post = async |path: String| {
        anyhow::Ok(collector.api().send(Method::POST, &path, Some(&json!({ "deviceid": "a", "content": {} }))).await?.0)
    };
    // The console's own secret is sent along with each, and does not help.
    ensure!(post("/foreign/rollcallapi_guess".into()).await? == StatusCode::FORBIDDEN);
    ensure!(post(format!("/foreign/{admin}")).await? == StatusCode::FORBIDDEN);
    ensure!(post("/foreign".into()).await? == StatusCode::UNAUTHORIZED);
    ensure!(post(format!("/foreign/{inventory}")).await? == StatusCode::OK);
    // And that token opens nothing else.
    let api = rollcall_tests::harness::Api::new(collector.api().base().clone(), &fs::read_to_string(root(&collector))?, &inventory)?;
    for path in ["/api/v1/cis", "/api/v1/me", "/api/v1/agents", "/metrics"] {
        let (status, _) = api.send(Method::GET, path, None).await?;
        let is_open_to_all = path == "/metrics";
        ensure!(is_open_to_all || status == StatusCode::FORBIDDEN, "{path}: {status}");
    }
    Ok(())
}
