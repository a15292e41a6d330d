//! Two clients and a relay over bad networks; `cargo xtask networks` runs it.

use std::net::SocketAddr;
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};
use kring_tests::networks::{self, CONDITIONS, Namespaces};

/// Measures Kring over bad networks, in network namespaces.
#[derive(Parser)]
struct Arguments {
    /// Networks; all without any.
    #[arg(long, value_delimiter = ',', value_parser = CONDITIONS.map(|condition| condition.name))]
    only: Vec<String>,
    /// Messages each way.
    #[arg(long, default_value_t = 20)]
    messages: usize,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What the program starts itself as.
#[derive(Subcommand)]
enum Role {
    /// In the clients' namespace.
    #[command(hide = true)]
    Clients { suffix: u32, relay: String },
    /// In the path's.
    #[command(hide = true)]
    Path { near: SocketAddr, far: SocketAddr },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match &arguments.role {
        Some(Role::Path { near, far }) => {
            runtime.block_on(networks::forward(*near, *far));
            ExitCode::SUCCESS
        }
        Some(Role::Clients { suffix, relay }) => {
            let names = Namespaces::named(*suffix);
            runtime.block_on(networks::run(&names, relay, &arguments.only, arguments.messages))
        }
        None => outside(&arguments),
    }
}

/// Makes the namespaces, runs the clients in theirs, and takes the namespaces away.
fn outside(arguments: &Arguments) -> ExitCode {
    let suffix = std::process::id();
    let names = match Namespaces::make(suffix) {
        Ok(names) => names,
        Err(error) => {
            eprintln!("SKIPPED, nothing was tried: no network namespaces here ({}).", error.0);
            eprintln!("It takes root, and ip and tc (Debian: iproute2).");
            return ExitCode::SUCCESS;
        }
    };
    let program = std::env::current_exe().expect("this program has a path");
    let relay = program.with_file_name("kring-test-relay");
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &names.client]).arg(program);
    command.args(["--messages", &arguments.messages.to_string()]);
    if !arguments.only.is_empty() {
        command.args(["--only", &arguments.only.join(",")]);
    }
    let status = command.arg("clients").arg(suffix.to_string()).arg(relay).status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
