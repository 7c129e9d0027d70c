//! Results of tests as JUnit writes them, for whoever watches builds.

use std::fmt::Write as _;

use super::{Test, TestResult};

/// The results as JUnit XML. Times are those of the calls, not of the tests.
#[must_use]
pub fn junit(results: &[(&Test, TestResult)]) -> String {
    let failures = results.iter().filter(|(_, result)| result.failure.is_some()).count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "<testsuites>\n  <testsuite name=\"dialplan\" tests=\"{}\" failures=\"{failures}\">", results.len());
    for (test, TestResult { failure, simulation }) in results {
        let ms = simulation.after_ms(simulation.cdr.ended_at);
        let (name, file, line) = (escaped(&test.name), escaped(&test.file), test.line);
        let time = format!("{}.{:03}", ms / 1_000, ms % 1_000);
        let head = format!("    <testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\" line=\"{line}\" time=\"{time}\"");
        match failure {
            None => text += &format!("{head}/>\n"),
            Some(failure) => {
                let (why, trace) = (escaped(failure), escaped(&simulation.to_string()));
                let _ = writeln!(text, "{head}>\n      <failure message=\"{why}\">{trace}</failure>\n    </testcase>");
            }
        }
    }
    text + "  </testsuite>\n</testsuites>\n"
}

/// Text as XML takes it: no mark of its own, no control character.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            '"' => out += "&quot;",
            '\n' => out.push('\n'),
            '\u{fffe}' | '\u{ffff}' => out.push('?'),
            control if control.is_control() => out.push('?'),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_a_mark() {
        assert_eq!(escaped("a <b> & \"c\"\u{1b}\n\u{ffff}"), "a &lt;b&gt; &amp; &quot;c&quot;?\n?");
    }
}
