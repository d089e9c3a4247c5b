//! Tables go out and in again, imports are applied and taken back, and files declare: over the command line and the API.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use rollcall_tests::harness::{Collector, CollectorOptions, binary};
use serde_json::{Value, json};

/// The command line on the collector's own host.
async fn cli(collector: &Collector, arguments: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(binary("rollcall"));
    command.args(["--data-dir", &collector.data_dir().to_string_lossy()]).args(arguments);
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

/// What it prints, if it succeeds.
async fn run(collector: &Collector, arguments: &[&str]) -> anyhow::Result<String> {
    let output = cli(collector, arguments).await?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{arguments:?}: {errors}");
    Ok(String::from_utf8(output.stdout)?)
}

async fn import(collector: &Collector, arguments: &[&str]) -> anyhow::Result<Value> {
    let printed = run(collector, &[&["--output", "json", "import"], arguments].concat()).await?;
    Ok(serde_json::from_str(&printed)?)
}

fn counts(answer: &Value) -> BTreeMap<String, u64> {
    let counts = answer["import"]["counts"].as_object().cloned().unwrap_or_default();
    counts.into_iter().filter_map(|(name, count)| Some((name, count.as_u64().filter(|count| *count > 0)?))).collect()
}

fn only(state: &str, count: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([(state.to_owned(), count)])
}

/// The simulated company, as the quickstart's demonstration has it.
async fn demo() -> anyhow::Result<Collector> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let mut fleet = Command::new(binary("rollcall-fleet"));
    let kept = tempfile::tempdir()?;
    fleet.arg("--data-dir").arg(collector.data_dir()).arg("--state-dir").arg(kept.path());
    let output = tokio::task::spawn_blocking(move || fleet.output()).await??;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(collector)
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_demo_estate_goes_out_and_comes_in_unchanged_in_every_format() -> anyhow::Result<()> {
    let collector = demo().await?;
    let hostile = json!({ "class": "printer", "name": "=HYPERLINK(\"http://x\")", "attributes": {
        "description": "'@SUM(1)", "owner": "-cmd|' /C calc'!A0", "tags": ["a;b", "+1", " x"], "model": "line\r\nbreak\ttab \u{1}" } });
    collector.api().post("/api/v1/cis", &hostile).await?;
    let all = collector.api().get("/api/v1/cis?filter=lifecycle:any&limit=1").await?["total"].as_u64().context("no total")?;
    ensure!(all > 1_000, "{all} items");
    let dir = tempfile::tempdir()?;
    for format in ["csv", "xlsx", "json", "yaml"] {
        let file = dir.path().join(format!("estate.{format}"));
        run(&collector, &["export", "lifecycle:any", "--to", &shown(&file)]).await?;
        let text = String::from_utf8_lossy(&fs::read(&file)?).into_owned();
        ensure!(format != "csv" || !text.contains("\n=") && text.contains("'=HYPERLINK"), "a formula");
        let preview = import(&collector, &[&shown(&file), "--as", "again"]).await?;
        ensure!(counts(&preview) == only("unchanged", all), "{format}: {:?} of {all}: {}", counts(&preview), preview["rows"]);
        ensure!(preview["import"]["state"] == "preview", "{preview}");
        // Applied, it changes nothing either.
        let before = collector.api().get("/api/v1/changes?limit=1").await?;
        let id = preview["import"]["id"].as_str().context("no id")?;
        let applied = import(&collector, &["--apply-id", id]).await?;
        ensure!(applied["import"]["state"] == "applied" && counts(&applied) == only("unchanged", all), "{applied}");
        ensure!(collector.api().get("/api/v1/changes?limit=1").await? == before);
    }
    // Relationships have columns where they are asked for.
    let links = dir.path().join("links.csv");
    let columns = "id,name,relationship:part_of,relationship:^runs_on,last_seen";
    run(&collector, &["export", "class:item", "--columns", columns, "--to", &shown(&links)]).await?;
    let preview = import(&collector, &[&shown(&links), "--as", "again"]).await?;
    ensure!(counts(&preview).keys().eq(["unchanged"]), "{preview}");
    ensure!(fs::read_to_string(&links)?.contains("; "), "no item has two");
    Ok(())
}

/// Who says what since when, without how long ago that is.
fn ageless(item: &Value) -> Value {
    let mut provenance = item["provenance"].clone();
    for claim in provenance.as_object_mut().into_iter().flat_map(|it| it.values_mut()).filter_map(Value::as_array_mut).flatten() {
        claim.as_object_mut().map(|claim| claim.remove("age_seconds"));
    }
    provenance
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_previewed_applied_once_and_taken_back() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let api = collector.api();
    let known =
        api.post("/api/v1/cis", &json!({ "class": "laptop", "name": "lap-1", "attributes": { "serial": "S1", "owner": "ada" } })).await?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("register.csv");
    let table = "Hostname;Serial No;Make;Assigned to;RAM;Favourite\n\
                 lap-1;S1;;bob;;x\n\
                 lap-2;S2;Lenovo;eve;;y\n\
                 lap-3;S2;Lenovo;mallory;;z\n\
                 lap-4;;;=cmd();;\n";
    fs::write(&file, table)?;
    let preview = import(&collector, &[&shown(&file), "--as", "register", "--class", "laptop"]).await?;
    let expected = BTreeMap::from([("create".to_owned(), 2), ("update".to_owned(), 1), ("conflict".to_owned(), 1)]);
    ensure!(counts(&preview) == expected, "{preview}");
    let text = preview.to_string();
    ensure!(text.contains("row 3 is about the same item") && text.contains(r#""new":"bob""#) && text.contains(r#""old":"ada""#), "{text}");
    ensure!(api.get("/api/v1/cis").await?["total"] == 1, "a preview changes nothing");

    // Two clicks.
    let id = preview["import"]["id"].as_str().context("no id")?.to_owned();
    let apply = format!("/api/v1/imports/{id}/apply");
    let nothing = json!({});
    let (first, second) = tokio::join!(api.post(&apply, &nothing), api.post(&apply, &nothing));
    first?;
    second?;
    let done = Instant::now() + Duration::from_secs(30);
    while api.get(&format!("/api/v1/imports/{id}")).await?["state"] != "applied" {
        ensure!(Instant::now() < done, "not applied");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ensure!(api.get("/api/v1/cis").await?["total"] == 3);
    let again = import(&collector, &[&shown(&file), "--as", "register", "--class", "laptop", "--apply"]).await?;
    ensure!(counts(&again)["unchanged"] == 3 && counts(&again)["conflict"] == 1, "{again}");
    ensure!(api.get("/api/v1/cis").await?["total"] == 3, "no duplicates");
    // Somebody works on with one of the new ones; the rest goes back.
    let made = api.get("/api/v1/cis?filter=name%3Dlap-4").await?;
    let made = made["items"][0]["id"].as_str().context("no lap-4")?.to_owned();
    let (status, _) =
        api.send(reqwest::Method::PATCH, &format!("/api/v1/cis/{made}"), Some(&json!({ "attributes": { "location": "Hamburg" } }))).await?;
    ensure!(status.is_success());
    let undone = import(&collector, &["--undo", &id]).await?;
    ensure!(undone["import"]["state"] == "undone" && undone["import"]["left"] == 1, "{undone}");
    ensure!(undone.to_string().contains("says location since"), "{undone}");
    let now = api.get(&format!("/api/v1/cis/{}", known["id"].as_str().context("id")?)).await?;
    ensure!(now["attributes"] == known["attributes"] && ageless(&now) == ageless(&known), "{now}");
    let left: Vec<String> = api.all("/api/v1/cis").await?.iter().filter_map(|ci| Some(ci["name"].as_str()?.to_owned())).collect();
    ensure!(left == ["lap-1", "lap-4"], "{left:?}");
    // What cannot be read says where.
    fs::write(&file, "Name,Name\na,b\n")?;
    let output = cli(&collector, &["import", &shown(&file), "--as", "register"]).await?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success() && errors.contains("row 1") && errors.contains("Name"), "{errors}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_declare_and_what_vanishes_from_them_goes() -> anyhow::Result<()> {
    let collector = demo().await?;
    let dir = tempfile::tempdir()?;
    // The first files, from what is there, change nothing.
    let first = dir.path().join("estate");
    run(&collector, &["export", "--as-code", &shown(&first)]).await?;
    ensure!(fs::read_dir(&first)?.count() > 3);
    let plan = run(&collector, &["plan", "-f", &shown(&first)]).await?;
    ensure!(plan.trim() == "no changes", "{plan}");

    let code = dir.path().join("shop");
    fs::create_dir_all(code.join("more"))?;
    let items = "items:\n  - {key: portal, class: business_service, name: Portal, attributes: {owner: Team P}}\n  \
                 - key: db\n    match: {name: ham-erp-db01}\n    attributes: {criticality: high}\n";
    fs::write(code.join("items.yaml"), items)?;
    fs::write(code.join("more/links.yml"), "relationships:\n  - {type: part_of, from: portal, to: db, hardness: hard}\n")?;
    let plan = run(&collector, &["plan", "-f", &shown(&code)]).await?;
    for line in [
        "+ create item Portal (items.yaml:2)",
        "* update item ham-erp-db01",
        "+ create relationship Portal is provided by ham-erp-db01 (more/links.yml:2)",
        "3 changes to do",
    ] {
        ensure!(plan.contains(line), "{line:?} in\n{plan}");
    }
    run(&collector, &["apply", "-f", &shown(&code)]).await?;
    ensure!(run(&collector, &["plan", "-f", &shown(&code)]).await?.trim() == "no changes");
    let impact = run(&collector, &["impact", "name=ham-erp-db01"]).await?;
    ensure!(impact.contains("Portal"), "{impact}");
    // A wrong file changes nothing and says where.
    fs::write(code.join("items.yaml"), items.replace("high}", "high, colour: red}"))?;
    let output = cli(&collector, &["apply", "-f", &shown(&code)]).await?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success() && errors.contains("items.yaml:5: items.db.attributes.colour"), "{errors}");
    // What vanishes: the item that the files made is retired, the machine that was there stays.
    fs::write(code.join("items.yaml"), "items: []\n")?;
    fs::remove_file(code.join("more/links.yml"))?;
    let done = run(&collector, &["apply", "-f", &shown(&code)]).await?;
    for line in ["- retire item Portal", "- release item ham-erp-db01", "- retire relationship"] {
        ensure!(done.contains(line), "{line:?} in\n{done}");
    }
    let db = collector.api().get("/api/v1/cis?filter=name%3Dham-erp-db01").await?;
    ensure!(db["total"] == 1 && db["items"][0]["attributes"].get("criticality").is_none(), "{db}");
    ensure!(collector.api().get("/api/v1/cis?filter=name%3DPortal").await?["total"] == 0);
    Ok(())
}
