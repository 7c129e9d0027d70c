//! `tandem import`: a plan made of another switch's configuration, into a new folder.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::json;
use tandem_dialplan::{
    World,
    import::{self, ConfigFile, Fate, Finding, Imported, MAX_CONFIG_BYTES, MAX_CONFIG_FILES, Sound},
};

use super::{CliError, Common, Format, table::clean};
use crate::prompts::Prompts;

/// Folders deeper than this are not looked into.
const MAX_DEPTH: usize = 8;
/// Files of a configuration end so.
const ENDINGS: &[&str] = &["conf", "xml", "ael", "lua"];
/// Largest recording that is copied.
const MAX_SOUND_BYTES: u64 = 64 << 20;
/// Samples a second of the recordings that are made.
const RATE_HZ: u32 = 8_000;

#[derive(Debug, Subcommand)]
pub(super) enum ImportCommand {
    /// The folder of an Asterisk configuration: /etc/asterisk.
    Asterisk(ImportArgs),
    /// The folder of a FreeSWITCH configuration: /etc/freeswitch.
    Freeswitch(ImportArgs),
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Folder of the configuration.
    folder: PathBuf,
    /// Write the plan into this folder, which must be new or empty; without it, the plan is printed.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Folder of the recordings that the configuration plays, as in /var/lib/asterisk/sounds/en.
    #[arg(long, value_name = "DIR")]
    sounds: Option<PathBuf>,
    /// List the lines that were converted and left out, too.
    #[arg(long)]
    all: bool,
}

pub(super) fn run(command: &ImportCommand, common: &Common) -> Result<(), CliError> {
    let (args, imported) = match command {
        ImportCommand::Asterisk(args) => (args, import::asterisk(&read(&args.folder)?, &shipped())),
        ImportCommand::Freeswitch(args) => (args, import::freeswitch(&read(&args.folder)?, &shipped())),
    };
    let imported = imported.map_err(CliError::failed)?;
    let written = args.to.as_deref().map(|to| write(&imported, to, args.sounds.as_deref())).transpose()?;
    let shown = match common.format {
        Format::Json => as_json(&imported, args).to_string() + "\n",
        Format::Text => as_text(&imported, args, written),
    };
    match std::io::stdout().write_all(shown.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.map_err(CliError::failed),
    }
}

/// The recordings that ship, which plans may play.
fn shipped() -> World {
    let mut world = World::default();
    Prompts::find(None).tell(&mut world);
    world
}

/// All files of a configuration. Links are not followed, so nothing outside of the folder is read.
fn read(folder: &Path) -> Result<Vec<ConfigFile>, CliError> {
    let cannot = |path: &Path, error: std::io::Error| CliError::failed(format!("cannot read {}: {error}", path.display()));
    let (mut files, mut open, mut bytes) = (Vec::new(), vec![(folder.to_path_buf(), 0)], 0_u64);
    while let Some((at, depth)) = open.pop() {
        for entry in fs::read_dir(&at).map_err(|error| cannot(&at, error))? {
            let entry = entry.map_err(|error| cannot(&at, error))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| cannot(&path, error))?;
            if kind.is_dir() && depth < MAX_DEPTH {
                open.push((path, depth + 1));
            } else if kind.is_file() && path.extension().is_some_and(|end| ENDINGS.iter().any(|known| end == *known)) {
                bytes += entry.metadata().map_err(|error| cannot(&path, error))?.len();
                if files.len() >= MAX_CONFIG_FILES || bytes > MAX_CONFIG_BYTES as u64 {
                    let sentence = format!(
                        "{} holds more than {MAX_CONFIG_FILES} files or {} MiB",
                        folder.display(),
                        MAX_CONFIG_BYTES >> 20
                    );
                    return Err(CliError::failed(sentence).todo("name the folder of the configuration, and no other"));
                }
                let below = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                // Old files are often in an 8-bit code; what is no UTF-8 in them is a name or a comment.
                let text = String::from_utf8_lossy(&fs::read(&path).map_err(|error| cannot(&path, error))?).into_owned();
                files.push(ConfigFile { path: below, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// How much was written.
struct Written {
    files: usize,
    found: usize,
    missing: usize,
}

/// Writes everything into a folder that holds nothing yet.
fn write(imported: &Imported, to: &Path, sounds: Option<&Path>) -> Result<Written, CliError> {
    let cannot = |path: &Path, error: std::io::Error| CliError::failed(format!("cannot write {}: {error}", path.display()));
    if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(CliError::failed(format!("{} is not empty", to.display())).todo("name a new folder by --to"));
    }
    fs::create_dir_all(to).map_err(|error| cannot(to, error))?;
    let put = |path: &str, bytes: &[u8], mode: u32| {
        let path = to.join(path);
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        file.and_then(|mut file| file.write_all(bytes)).map_err(|error| cannot(&path, error))
    };
    if !imported.secrets.is_empty() {
        let secrets = to.join("secrets");
        fs::DirBuilder::new().mode(0o700).create(&secrets).map_err(|error| cannot(&secrets, error))?;
    }
    for secret in &imported.secrets {
        put(&secret.path, format!("{}\n", secret.secret).as_bytes(), 0o600)?;
    }
    for file in &imported.files {
        put(&file.name, file.text.as_bytes(), 0o644)?;
    }
    if !imported.people.is_empty() {
        put("people.sh", people(imported).as_bytes(), 0o644)?;
    }
    let mut written = Written { files: imported.files.len(), found: 0, missing: 0 };
    for recording in &imported.recordings {
        let path = format!("prompts/{}.wav", recording.prompt);
        let folder = to.join(&path).parent().map(Path::to_path_buf).unwrap_or_default();
        fs::create_dir_all(&folder).map_err(|error| cannot(&folder, error))?;
        let bytes = match &recording.sound {
            Sound::Silence(seconds) => wav(seconds * RATE_HZ, |_| 0),
            Sound::Theirs(name) => match sounds.and_then(|sounds| sound(sounds, name)) {
                Some(bytes) => {
                    written.found += 1;
                    bytes
                }
                None => {
                    written.missing += 1;
                    beep()
                }
            },
        };
        put(&path, &bytes, 0o644)?;
    }
    Ok(written)
}

/// The WAV file of a recording of theirs, if it is there.
fn sound(sounds: &Path, name: &str) -> Option<Vec<u8>> {
    let bare = name.trim_start_matches('/');
    let bare = bare.strip_suffix(".wav").unwrap_or(bare);
    if bare.split('/').any(|part| part == "..") {
        return None;
    }
    let path = sounds.join(format!("{bare}.wav"));
    let size = fs::symlink_metadata(&path).ok().filter(|meta| meta.is_file())?.len();
    (size <= MAX_SOUND_BYTES).then(|| fs::read(path).ok()).flatten()
}

/// What is heard where a recording is missing: a short tone, so that a caller knows that the line lives.
fn beep() -> Vec<u8> {
    // A triangle of 400 Hz: twenty samples a wave.
    wav(RATE_HZ / 2, |n| {
        let at = i16::try_from(n % 20).unwrap_or(0);
        (if at < 10 { at - 5 } else { 15 - at }) * 1_200
    })
}

/// A WAV file of one channel.
fn wav(samples: u32, sample: impl Fn(u32) -> i16) -> Vec<u8> {
    let data = samples * 2;
    let mut out = Vec::with_capacity(44 + samples as usize * 2);
    out.extend(b"RIFF");
    out.extend((36 + data).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(16_u32.to_le_bytes());
    // Linear samples, one channel.
    out.extend([1, 0, 1, 0]);
    out.extend(RATE_HZ.to_le_bytes());
    out.extend((RATE_HZ * 2).to_le_bytes());
    out.extend([2, 0, 16, 0]);
    out.extend(b"data");
    out.extend(data.to_le_bytes());
    (0..samples).for_each(|n| out.extend(sample(n).to_le_bytes()));
    out
}

/// A script that puts the people into the database. It holds no password: each is read from its file.
fn people(imported: &Imported) -> String {
    let mut text =
        "#!/bin/sh\n# Adds the people of the old switch. To be run in this folder; --data as of `tandem serve`.\nset -e\n"
            .to_owned();
    for person in &imported.people {
        text.push_str(&format!("tandem user add {}", quoted(&person.extension)));
        if !person.name.is_empty() {
            text.push_str(&format!(" --name {}", quoted(&person.name)));
        }
        person.queues.iter().for_each(|queue| text.push_str(&format!(" --queue {}", quoted(queue))));
        if let Some(file) = &person.password_file {
            text.push_str(&format!(" --password-stdin < {}", quoted(file)));
        }
        text.push('\n');
    }
    text
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    let plain = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/' | b'.'));
    if plain && !word.starts_with('-') { word.to_owned() } else { format!("'{}'", clean(word).replace('\'', "'\\''")) }
}

fn as_json(imported: &Imported, args: &ImportArgs) -> serde_json::Value {
    let files: Vec<_> = imported.files.iter().map(|file| json!({ "name": file.name, "text": file.text })).collect();
    json!({
        "to": args.to,
        "files": if args.to.is_some() { json!(imported.files.iter().map(|file| &file.name).collect::<Vec<_>>()) } else { json!(files) },
        "people": imported.people,
        "recordings": imported.recordings,
        "findings": imported.findings,
        "lines": {
            "converted": imported.lines(Fate::Converted),
            "left_out": imported.lines(Fate::LeftOut),
            "not_converted": imported.lines(Fate::NotConverted),
        },
        "share_permille": imported.share_permille(),
    })
}

fn as_text(imported: &Imported, args: &ImportArgs, written: Option<Written>) -> String {
    let mut text = String::new();
    if args.to.is_none() {
        for file in &imported.files {
            text.push_str(&format!("// ---- {}\n{}\n", file.name, file.text));
        }
    }
    let heads = [(Fate::Converted, "converted"), (Fate::LeftOut, "left out on purpose"), (Fate::NotConverted, "not converted")];
    for (fate, head) in heads.into_iter().filter(|(fate, _)| args.all || *fate == Fate::NotConverted) {
        text.push_str(&format!("{head}:\n"));
        let of: Vec<&Finding> = imported.findings.iter().filter(|finding| finding.fate == fate).collect();
        let alike = |a: &&Finding, b: &&Finding| (&a.file, &a.why, &a.todo) == (&b.file, &b.why, &b.todo);
        of.chunk_by(alike).for_each(|alike| text.push_str(&told(alike)));
        text.push('\n');
    }
    let missing = imported.recordings.iter().filter(|recording| matches!(recording.sound, Sound::Theirs(_)));
    let missing: Vec<_> = missing.map(|recording| recording.prompt.as_str()).collect();
    if let Some(Written { files, found, missing: beeps }) = written {
        let to = args.to.as_deref().map(|to| to.display().to_string()).unwrap_or_default();
        text.push_str(&format!("{files} files in {}: see tandem check {0}\n", clean(&to)));
        if found + beeps > 0 {
            text.push_str(&format!(
                "{found} recordings copied; {beeps} not found, a tone stands in their place below prompts/\n"
            ));
        }
        if !imported.people.is_empty() {
            text.push_str(&format!("{} people: add them by people.sh\n", imported.people.len()));
        }
    } else if !missing.is_empty() {
        text.push_str(&format!("recordings to bring along: {}\n", missing.join(" ")));
    }
    let share = imported.share_permille();
    text.push_str(&format!(
        "{} lines converted, {} left out on purpose, {} not converted: {}.{} % of what means something\n",
        imported.lines(Fate::Converted),
        imported.lines(Fate::LeftOut),
        imported.lines(Fate::NotConverted),
        share / 10,
        share % 10,
    ));
    text
}

/// Lines that follow each other with one reason: each with its text, then why, and what to do.
fn told(findings: &[&Finding]) -> String {
    let Some(first) = findings.first() else { return String::new() };
    let mut text = String::new();
    for finding in findings {
        let lines = if finding.lines > 1 { format!(" ({} lines)", finding.lines) } else { String::new() };
        text.push_str(&format!("  {}:{}{lines}: {}\n", clean(&finding.file), finding.line, clean(&finding.text)));
    }
    text.push_str(&format!("        {}\n", clean(&first.why)));
    text.push_str(&first.todo.as_ref().map(|todo| format!("        {}\n", clean(todo))).unwrap_or_default());
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    #[test]
    fn a_shell_takes_each_word_as_it_is() {
        assert_eq!(quoted("1001"), "1001");
        assert_eq!(quoted("Ada O'Neil; rm -rf $HOME"), "'Ada O'\\''Neil; rm -rf $HOME'");
        assert_eq!(quoted("--all"), "'--all'");
        assert_eq!(quoted("a\nb"), "'a?b'");
    }

    #[test]
    fn what_is_written_passes_the_check_and_only_its_owner_reads_the_secrets() {
        use std::os::unix::fs::PermissionsExt as _;

        let to = std::env::temp_dir().join(format!("tandem-import-{}", std::process::id()));
        let _ = fs::remove_dir_all(&to);
        let file = |path: &str, text: &str| ConfigFile { path: path.into(), text: text.into() };
        let files = [
            file("pjsip.conf", "[1001]\ntype=endpoint\ncontext=a\nauth=1001\n[1001]\ntype=auth\npassword=hush\n"),
            file("extensions.conf", "[a]\nexten => 1,1,Answer\n same => n,Wait(2)\n same => n,Playback(custom/x)\n"),
        ];
        let imported = import::asterisk(&files, &shipped()).unwrap();
        let written = write(&imported, &to, None).unwrap();
        assert_eq!((written.found, written.missing), (0, 1));
        let mode = |path: &str| fs::metadata(to.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("secrets"), mode("secrets/person-1001")), (0o700, 0o600));
        let checked = crate::serve::plans::check(&to).unwrap();
        assert!(checked.plan.is_some(), "{}", checked.report.lines());
        assert!(people(&imported).contains("tandem user add 1001 --password-stdin < secrets/person-1001"));
        // Nothing is written over.
        assert!(write(&imported, &to, None).is_err_and(|error| error.sentence.contains("is not empty")));
        fs::remove_dir_all(&to).unwrap();
    }

    #[test]
    fn recordings_that_are_made_can_be_read() {
        let audio = tandem_media::codec::Audio::from_wav_bytes(&beep());
        assert!(audio.is_ok());
        assert_eq!(wav(8_000, |_| 0).len(), 44 + 16_000);
    }
}
