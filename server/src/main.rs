//! The program. All of it is in the library, so that tests can use its parts.

use std::process::ExitCode;

fn main() -> ExitCode {
    tandem::cli::main()
}
