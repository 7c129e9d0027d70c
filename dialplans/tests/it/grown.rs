//! Plans that grow out of bytes: most of them right, none like another. Also what `tests/fuzz/targets/plan_runs.rs` grows.

/// Bytes that decide; when they are spent every decision is the first.
pub(crate) struct Dice<'a> {
    bytes: std::slice::Iter<'a, u8>,
}

impl<'a> Dice<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.iter() }
    }

    /// Below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        usize::from(self.bytes.next().copied().unwrap_or(0)) % sides.max(1)
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.roll(of.len())]
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.bytes.len() == 0
    }
}

/// Recordings that a grown plan names.
pub(crate) const PROMPTS: &[&str] =
    &["welcome", "closed", "goodbye", "please-hold", "no-input", "invalid-key", "try-later", "busy", "no-answer"];

const HEAD: &str = "
extensions from=1001 to=1010
supervisors \"1001\"
pickup-group \"all\" { extension \"1001\" \"1002\"; }
trunk \"carrier\" { match \"192.0.2.1\"; peer \"udp\" \"192.0.2.1:5060\"; takes-refer #true; }
skill \"billing\"
queue \"sales\" {}
queue \"support\" { max-waiting 3; }
schedule \"office\" { open \"mon-fri\" \"09:00-17:00\"; }
parking \"lot\" from=801 to=803
";

/// Deeper blocks have no blocks in them.
const MAX_DEPTH: usize = 3;

/// A plan of one to six routes.
pub(crate) fn plan(dice: &mut Dice<'_>) -> String {
    let mut grower = Grower { routes: 1 + dice.roll(6), variables: 0, text: HEAD.to_owned() };
    for _ in 0..dice.roll(3) {
        let ending = dice.one(&["no-input", "invalid", "busy", "no-answer", "error", "timed-out"]);
        if !grower.text.contains("defaults") {
            grower.text += &format!("defaults {{ {ending} {{ play \"closed\"; hangup {}; }}; }}\n", cause(dice));
        }
    }
    for at in 0..grower.routes {
        grower.text += &format!("route \"r{at}\" {{\n");
        grower.guards(dice);
        // A route on which nothing is heard is refused, and so is a circle on which no time passes.
        if dice.roll(4) < 3 {
            grower.text += "answer\nplay \"welcome\"\n";
        }
        grower.steps(dice, 0);
        grower.text += "}\n";
    }
    grower.text
}

fn cause(dice: &mut Dice<'_>) -> &'static str {
    dice.one(&["\"normal\"", "\"busy\"", "\"congestion\"", "\"not-found\""])
}

struct Grower {
    routes: usize,
    variables: usize,
    text: String,
}

impl Grower {
    fn guards(&mut self, dice: &mut Dice<'_>) {
        let from = dice.one(&["from any", "from extension", "from trunk=\"carrier\"", ""]);
        if from.is_empty() {
            return;
        }
        let to = [
            "",
            "to \"1000\"",
            "to \"2XX\" \"{a:3..4}\"",
            "to \"0{n:number}\"",
            "to matches=\"[0-9]{3}\"",
            "to \"{e:extension}\"",
        ];
        self.text +=
            &format!("{from}\n{}\n{}\n", dice.one(&to), dice.one(&["", "", "caller \"10XX\"", "caller matches=\"[+]39.*\""]));
    }

    fn steps(&mut self, dice: &mut Dice<'_>, depth: usize) {
        for _ in 0..1 + dice.roll(4) {
            self.step(dice, depth);
            self.text.push('\n');
        }
    }

    fn step(&mut self, dice: &mut Dice<'_>, depth: usize) {
        let kinds = if depth < MAX_DEPTH { 22 } else { 12 };
        let prompt = dice.one(PROMPTS);
        let text = match dice.roll(kinds) {
            0 => "answer".to_owned(),
            1 => format!("play \"{prompt}\""),
            2 => format!("goto \"r{}\"", dice.roll(self.routes)),
            3 => format!("hangup {}", cause(dice)),
            4 => "ring".to_owned(),
            5 => "say time".to_owned(),
            6 => "set language=\"it\"".to_owned(),
            7 => format!("queue \"{}\"", dice.one(&["sales", "support"])),
            8 => format!("dial extension=\"100{}\" ring=\"5s\"", 1 + dice.roll(9)),
            9 => format!("say number=\"{}\"", dice.one(&["12", "{dialled}", "{caller}"])),
            10 => "conference \"room\"".to_owned(),
            // Only for extensions: most plans that say so elsewhere are refused.
            11 if dice.roll(8) == 7 => "agent \"ready\"".to_owned(),
            11 => "echo".to_owned(),
            12 | 13 => return self.menu(dice, depth, prompt),
            14 => return self.collect(dice, depth, prompt),
            15 => {
                return self.with_handlers(
                    dice,
                    depth,
                    "queue \"sales\" max-wait=\"9s\"",
                    &["no-agents", "timed-out", "full", "error"],
                );
            }
            16 => {
                return self.with_handlers(
                    dice,
                    depth,
                    "dial extension=\"1002\"",
                    &["busy", "no-answer", "unreachable", "rejected"],
                );
            }
            17 => return self.with_handlers(dice, depth, "dial trunk=\"carrier\" number=\"+39021\"", &["busy", "no-answer"]),
            18 => return self.with_handlers(dice, depth, "voicemail \"1001\"", &["full", "error"]),
            19 => return self.with_handlers(dice, depth, "park \"lot\"", &["full", "timed-out", "error"]),
            20 => return self.with_handlers(dice, depth, "when-open \"office\"", &[]),
            _ => return self.with_handlers(dice, depth, "unless-open \"office\"", &[]),
        };
        self.text += &text;
    }

    fn menu(&mut self, dice: &mut Dice<'_>, depth: usize, prompt: &str) {
        self.text += &format!("menu \"{prompt}\" timeout=\"2s\" tries={} {{\n", 1 + dice.roll(3));
        for key in 1..=1 + dice.roll(3) {
            self.text += &format!("press \"{key}\" {{\n");
            self.steps(dice, depth + 1);
            self.text += "}\n";
        }
        self.handlers(dice, depth, &["no-input", "invalid"]);
        self.text += "}";
    }

    fn collect(&mut self, dice: &mut Dice<'_>, depth: usize, prompt: &str) {
        self.variables += 1;
        let variable = format!("v{}", self.variables);
        let kind = dice.one(&["digits", "extension", "number"]);
        self.text += &format!("collect \"{prompt}\" max={} type=\"{kind}\" as=\"{variable}\" {{\n", 1 + dice.roll(6));
        self.handlers(dice, depth, &["no-input", "invalid"]);
        self.text += "}\n";
        self.text += &match dice.roll(4) {
            0 => format!("dial extension=\"{{{variable}}}\""),
            1 => format!("dial trunk=\"carrier\" number=\"{{{variable}}}\""),
            2 => format!("voicemail \"{{{variable}}}\""),
            _ => format!("say digits=\"{{{variable}}}\""),
        };
    }

    fn with_handlers(&mut self, dice: &mut Dice<'_>, depth: usize, step: &str, endings: &[&str]) {
        self.text += &format!("{step} {{\n");
        if endings.is_empty() {
            self.steps(dice, depth + 1);
        }
        self.handlers(dice, depth, endings);
        self.text += "}";
    }

    fn handlers(&mut self, dice: &mut Dice<'_>, depth: usize, endings: &[&str]) {
        for ending in endings {
            if dice.roll(2) == 1 {
                self.text += &format!("{ending} {{\n");
                self.steps(dice, depth + 1);
                self.text += "}\n";
            }
        }
    }
}
