//! Commands that documents tell people to type: they exist, with the options they are given.

use crate::files::{self, File, Findings};
use std::process::Command;

/// Lines of the shell blocks of `file`, with their numbers.
fn shell_lines(file: &File) -> Vec<(usize, &str)> {
    let mut inside = false;
    let mut lines = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(language) => inside = matches!(language, "sh" | "console"),
            None if inside => lines.push((index + 1, line.trim_start_matches("$ "))),
            None => {}
        }
    }
    lines
}

#[test]
fn targets_of_make_exist() {
    let makefile = File::read("Makefile").text;
    let mut findings = Findings::default();
    for file in files::documents() {
        for (number, line) in shell_lines(&file) {
            let Some(target) =
                line.strip_prefix("make ").and_then(|rest| rest.split_whitespace().next())
            else {
                continue;
            };
            if !makefile.lines().any(|rule| rule.starts_with(&format!("{target}:"))) {
                findings.add_at(
                    &file.path,
                    number,
                    &format!("the Makefile has no target `{target}`"),
                );
            }
        }
    }
    findings.expect_none();
}

/// What a command line runs `sidegate` with, if it does: also behind variables, a path, and before a pipe.
fn arguments(line: &str) -> Option<Vec<&str>> {
    let mut words =
        line.split_whitespace().skip_while(|word| word.contains('=') && !word.starts_with('-'));
    let program = words.next()?;
    if program.rsplit('/').next() != Some("sidegate") {
        return None;
    }
    let ends = |word: &&str| !matches!(*word, "|" | ">" | ">>" | "&&" | "#" | "&" | "\\");
    Some(words.take_while(ends).collect())
}

#[test]
fn commands_of_sidegate_exist() {
    let mut findings = Findings::default();
    for file in files::documents() {
        for (number, line) in shell_lines(&file) {
            let Some(arguments) = arguments(line) else { continue };
            let Some((command, options)) = arguments.split_first() else { continue };
            // Commands of a command have options of their own.
            let further = options.first().filter(|_| NESTED.contains(command));
            let help = help(command, further.copied());
            if help.is_empty() {
                findings.add_at(&file.path, number, &format!("there is no command `{command}`"));
            }
            let options = options.iter().filter(|option| option.starts_with('-'));
            for option in options.map(|option| option.split('=').next().unwrap_or(option)) {
                if !help.split([' ', ',', '\n', '=']).any(|word| word == option) {
                    findings.add_at(
                        &file.path,
                        number,
                        &format!("`{command}` has no option `{option}`"),
                    );
                }
            }
        }
    }
    findings.expect_none();
}

/// Commands that have commands.
const NESTED: [&str; 1] = ["sessions"];

/// What `sidegate COMMAND --help` says, or that of its command `further`; nothing if there is no such command.
fn help(command: &str, further: Option<&str>) -> String {
    if command.starts_with('-') {
        return format!("{command} ");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .arg(command)
        .args(further)
        .arg("--help")
        .output()
        .unwrap();
    if output.status.success() { String::from_utf8(output.stdout).unwrap() } else { String::new() }
}

#[test]
fn the_readme_has_the_two_commands_that_a_stranger_needs() {
    let readme = File::read("README.md");
    let lines = shell_lines(&readme);
    for command in ["make demo", "make test"] {
        assert!(lines.iter().any(|(_, line)| line.starts_with(command)), "{command}");
    }
}

#[test]
fn command_lines_are_taken_apart() {
    assert_eq!(arguments("sidegate run -c x.yaml"), Some(vec!["run", "-c", "x.yaml"]));
    assert_eq!(arguments("A=b ./target/release/sidegate keys > x"), Some(vec!["keys"]));
    assert_eq!(arguments("curl sidegate"), None);
}
