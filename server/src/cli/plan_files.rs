//! `tandem plan`: the files of the plan, on a running server or in a folder, edited by the names of what is in them.

use std::{collections::BTreeMap, io::Read as _, path::PathBuf};

use clap::{Args, Subcommand};
use reqwest::Method;
use tandem_dialplan::{Edit, NewValue, Spot};

use super::{
    CliError, Common,
    client::Client,
    print,
    table::{clean, draw},
};
use crate::{
    clock,
    http::{
        plan_files::{PlanFileList, PlanFileState, PlanWritten},
        view::{At, PlanProblem},
    },
    plan_files::{PlanEdits, PlanFiles, Refused, etag},
};

/// Who is named as the author of a change in a folder.
const BY: &str = "command line";

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(subcommand)]
    command: PlanCommand,
    /// A folder with a plan; the plan of the running server unless said.
    #[arg(long, global = true, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Show what would change and write nothing.
    #[arg(long, global = true)]
    dry_run: bool,
    /// Take the plan into service afterwards; if it cannot be, the files stay as they were.
    #[arg(long, global = true, conflicts_with = "config")]
    apply: bool,
    /// Why, for the history of the plan.
    #[arg(long, short, global = true, value_name = "TEXT", requires = "apply")]
    message: Option<String>,
}

#[derive(Debug, Subcommand)]
enum PlanCommand {
    /// The files, and whether they are in service.
    Files,
    /// The text of a file.
    Show {
        /// Its name.
        file: String,
    },
    /// Give values: `tandem plan set 'queue "support"' answer-target=30s`.
    Set {
        /// The address of the node: names from the outside inwards, as in 'route "night" > menu > press "1"'.
        node: String,
        /// A property, or a node of one value in the braces; a number for the value in that place.
        #[arg(required = true, value_name = "NAME=VALUE")]
        values: Vec<ValueArg>,
    },
    /// Take properties away, or nodes of one value.
    Unset {
        /// The address of the node.
        node: String,
        /// Which.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Add nodes.
    Insert {
        /// As they stand in a plan; `-` reads them from the standard input.
        text: String,
        #[command(flatten)]
        to: SpotArgs,
    },
    /// Take a node away, with the comments that belong to it.
    Remove {
        /// The address of the node.
        node: String,
    },
    /// Write a node anew.
    Replace {
        /// The address of the node.
        node: String,
        /// As it stands in a plan; `-` reads it from the standard input.
        text: String,
    },
    /// Give a node another place among those beside it.
    Move {
        /// The address of the node.
        node: String,
        #[command(flatten)]
        to: SpotArgs,
    },
    /// Give something another name, everywhere.
    Rename {
        /// What kind of thing: queue, route, schedule, trunk, skill, …
        noun: String,
        /// Its name.
        name: String,
        /// Its new name.
        to: String,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct SpotArgs {
    /// Before this node.
    #[arg(long, value_name = "NODE")]
    before: Option<String>,
    /// After this node.
    #[arg(long, value_name = "NODE")]
    after: Option<String>,
    /// Before all others in this node or file (`30-routes.kdl:`).
    #[arg(long, value_name = "NODE")]
    first_in: Option<String>,
    /// After all others in this node or file.
    #[arg(long, value_name = "NODE")]
    last_in: Option<String>,
}

impl SpotArgs {
    fn spot(self) -> Result<Spot, CliError> {
        let Self { before, after, first_in, last_in } = self;
        let spot =
            before.map(Spot::Before).or(after.map(Spot::After)).or(first_in.map(Spot::FirstIn)).or(last_in.map(Spot::LastIn));
        spot.ok_or_else(|| CliError::failed("say where: --before, --after, --first-in or --last-in"))
    }
}

#[derive(Clone, Debug)]
struct ValueArg {
    name: String,
    value: String,
}

impl std::str::FromStr for ValueArg {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("give it as NAME=VALUE")?;
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

pub(super) async fn run(args: PlanArgs, common: &Common) -> Result<(), CliError> {
    let PlanArgs { command, config, dry_run, apply, message } = args;
    let files = config.map(PlanFiles::new);
    let edits = match command {
        PlanCommand::Files => return list(files.as_ref(), common).await,
        PlanCommand::Show { file } => return show(files.as_ref(), &file, common).await,
        command => command.edits()?,
    };
    let wish = PlanEdits { edits, dry_run, apply, message, ..PlanEdits::default() };
    let written = match files {
        Some(files) => in_folder(&files, wish)?,
        None => {
            let client = Client::find(common)?;
            let known: PlanFileList = client.get(&["plan", "files"]).await?;
            let base = known.files.into_iter().map(|file| (file.file, file.etag)).collect();
            client.order(Method::POST, &["plan", "edits"], &PlanEdits { base, ..wish }).await?
        }
    };
    print(common, &written, told)
}

impl PlanCommand {
    fn edits(self) -> Result<Vec<Edit>, CliError> {
        let one = |edit| Ok(vec![edit]);
        match self {
            Self::Files | Self::Show { .. } => Ok(Vec::new()),
            Self::Set { node, values } => {
                let edit = |ValueArg { name, value }: ValueArg| {
                    let (at, value) = (node.clone(), NewValue::Typed { typed: value });
                    match name.parse() {
                        Ok(nth) => Edit::SetValue { at, nth, value },
                        Err(_) => Edit::Set { at, name, value },
                    }
                };
                Ok(values.into_iter().map(edit).collect())
            }
            Self::Unset { node, names } => Ok(names.into_iter().map(|name| Edit::Unset { at: node.clone(), name }).collect()),
            Self::Insert { text, to } => one(Edit::Insert { to: to.spot()?, text: given(text)? }),
            Self::Remove { node } => one(Edit::Remove { at: node }),
            Self::Replace { node, text } => one(Edit::Replace { at: node, text: given(text)? }),
            Self::Move { node, to } => one(Edit::Move { at: node, to: to.spot()? }),
            Self::Rename { noun, name, to } => one(Edit::Rename { noun, name, to }),
        }
    }
}

/// A text of the command line, or the standard input for `-`.
fn given(text: String) -> Result<String, CliError> {
    if text != "-" {
        return Ok(text);
    }
    let mut read = String::new();
    let most = tandem_dialplan::MAX_FILE_BYTES as u64;
    std::io::stdin().take(most).read_to_string(&mut read).map_err(CliError::failed)?;
    Ok(read)
}

fn in_folder(files: &PlanFiles, wish: PlanEdits) -> Result<PlanWritten, CliError> {
    let texts = files.read().map_err(|error| refused(&error.into()))?;
    let base: BTreeMap<_, _> = texts.into_iter().map(|file| (file.name, etag(&file.sha256))).collect();
    let dry_run = wish.dry_run;
    let proposal = files.edits(&PlanEdits { base, ..wish }).map_err(|error| refused(&error))?;
    if !dry_run {
        files.take(&proposal, BY, At(clock::now().at)).map_err(|error| refused(&error))?;
    }
    Ok(PlanWritten { written: !dry_run, files: proposal.files, problems: proposal.problems, applied: None })
}

fn refused(refused: &Refused) -> CliError {
    let mut sentence = refused.to_string();
    if let Refused::Errors(problems) = refused {
        for problem in problems {
            sentence = format!("{sentence}\n  {}", line(problem));
        }
    }
    CliError::failed(sentence)
}

fn line(problem: &PlanProblem) -> String {
    let PlanProblem { severity, file, line, column, message, help } = problem;
    let help = help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
    format!("{file}:{line}:{column}: {severity}: {message}{help}")
}

fn told(written: &PlanWritten) -> String {
    let mut out = String::new();
    for change in &written.files {
        let name = |side: &str, there: bool| if there { format!("{side}/{}", change.file) } else { "/dev/null".to_owned() };
        let (old, new) = (name("a", change.before.is_some()), name("b", change.etag.is_some()));
        out += &format!("--- {old}\n+++ {new}\n");
        for line in change.diff.lines() {
            out += &line.split('\t').map(clean).collect::<Vec<_>>().join("\t");
            out.push('\n');
        }
    }
    for problem in &written.problems {
        out += &format!("{}\n", clean(&line(problem)));
    }
    out += match (written.files.is_empty(), written.written, &written.applied) {
        (true, _, _) => "nothing changes\n",
        (_, false, _) => "nothing was written\n",
        (_, true, None) => "written; not in service before it is applied\n",
        (_, true, Some(_)) => "written and in service\n",
    };
    out
}

async fn list(files: Option<&PlanFiles>, common: &Common) -> Result<(), CliError> {
    let list = match files {
        None => Client::find(common)?.get(&["plan", "files"]).await?,
        Some(files) => {
            let texts = files.read().map_err(|error| refused(&error.into()))?;
            let state = |file: crate::plan_files::PlanText| PlanFileState {
                file: file.name,
                size: file.text.len(),
                etag: etag(&file.sha256),
                state: "on disk".to_owned(),
            };
            PlanFileList { files: texts.into_iter().map(state).collect(), gone: Vec::new(), generation: 0 }
        }
    };
    print(common, &list, |list| {
        let row = |file: &PlanFileState| {
            let hash: String = file.etag.trim_matches('"').chars().take(12).collect();
            vec![file.file.clone(), file.size.to_string(), hash, file.state.clone()]
        };
        let gone = list.gone.iter().map(|file| vec![file.clone(), String::new(), String::new(), "gone".to_owned()]);
        draw(&["FILE", "BYTES", "SHA-256", "STATE"], &list.files.iter().map(row).chain(gone).collect::<Vec<_>>())
    })
}

async fn show(files: Option<&PlanFiles>, name: &str, common: &Common) -> Result<(), CliError> {
    let text = match files {
        None => Client::find(common)?.text(&["plan", "files", name]).await?,
        Some(files) => {
            let found = files.read_one(name).map_err(|error| refused(&error.into()))?;
            found.ok_or_else(|| CliError::not_found("file", name))?.text
        }
    };
    print(common, &text, Clone::clone)
}
