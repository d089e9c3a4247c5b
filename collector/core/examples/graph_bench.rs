//! The part of `tests/bench graph` that needs neither collector nor database, to work on the core's speed without building them:
//! `cargo run --release -p rollcall-core --example graph_bench -- [CIS [platforms|popular|applications]]`.
#![allow(clippy::disallowed_methods, unreachable_pub, reason = "a benchmark reads files and clocks; its parts are a library's too")]

#[path = "../../../tests/src/bench/graph/estate.rs"]
mod estate;
#[path = "../../../tests/src/bench/graph/pure.rs"]
mod pure;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, load, file] = &arguments[..]
        && load == "load"
    {
        let (seconds, megabytes) = pure::load(file.as_ref())?;
        println!("load {seconds} {megabytes}");
        return Ok(());
    }
    let cis = arguments.get(1).map_or(Ok(100_000), |count| count.parse())?;
    let word = arguments.get(2).map_or("platforms", String::as_str);
    let shape = estate::Shape::ALL.into_iter().find(|shape| shape.label().starts_with(word)).ok_or("no such shape of an estate")?;
    let estate = estate::Estate::generate(cis, shape, 1);
    println!("{}: {} CIs, {} dependencies, {} need groups", shape.label(), estate.cis, estate.edges.len(), estate.groups.len());
    let file = std::env::temp_dir().join(format!("rollcall-graph-bench-{}", std::process::id()));
    let (lines, plain) = pure::measure(&estate, &estate.questions(200), &file)?;
    for line in lines {
        let verdict = line.met.map_or("", |met| if met { "met" } else { "MISSED" });
        println!("{:75} {:12.3} {:3} {:12} {verdict}", line.what, line.figure, line.unit, line.target);
    }
    let reached: u64 = plain.reached.iter().map(|reached| reached.count).sum();
    println!("without redundancy, every dependency hard: {reached} reached by all questions in {:.3} s", plain.own.as_secs_f64());
    drop(estate);
    let loaded = std::process::Command::new(std::env::current_exe()?).arg("load").arg(&file).output()?;
    print!("{}", String::from_utf8_lossy(&loaded.stdout));
    std::fs::remove_file(&file)?;
    Ok(())
}
