//! Measures the detectors on the corpus that `tests/detection/corpus.py` makes, and prints the tables of docs/detection.md.
//!
//!     detection CORPUS [tuning|held-out] [--wrong]
//!
//! Each clip goes through its codec as on a leg: encoded, packets lost at random (seeded by its number), decoded with
//! concealment at 8 kHz, heard in frames of 20 ms. `--wrong` lists each clip that was judged wrong.

#[path = "detection/run.rs"]
mod run;
#[path = "detection/score.rs"]
mod score;

use std::{fs, path::Path};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: detection CORPUS [tuning|held-out] [--wrong]")?;
    let rest: Vec<String> = arguments.collect();
    let split = rest.iter().find(|word| !word.starts_with("--")).map_or("held-out", String::as_str);
    let manifest = fs::read_to_string(Path::new(&folder).join("manifest.tsv"))?;
    let mut scores = score::Scores::new(rest.iter().any(|word| word == "--wrong"));
    for (number, line) in manifest.lines().enumerate() {
        let clip = run::Clip::parse(line).ok_or_else(|| format!("line {} of the manifest is not one", number + 1))?;
        if clip.split == split {
            let heard = run::hear(Path::new(&folder), &clip, u64::try_from(number)?)?;
            scores.add(&clip, &heard);
        }
    }
    println!("{scores}");
    Ok(())
}
