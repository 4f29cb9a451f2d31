//! Proxies from Debian in the relay's place: they terminate HTTP and pass an upgraded connection on as bytes.
//!
//! What is comparable: two sockets to a phone, an HTTP upgrade, four socket messages in a round trip. What is not: they
//! open a connection of their own for each phone, look at no frame, and route nothing behind the upgrade.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::processes::{Bench, Server, free_address};

/// One that runs.
pub(super) struct Proxy {
    pub(super) name: &'static str,
    pub(super) server: Server,
    /// Where it finds the other side.
    pub(super) backend: SocketAddr,
}

/// Starts those that are installed.
pub(super) fn start(bench: &Bench) -> anyhow::Result<Vec<Proxy>> {
    let mut running = Vec::new();
    for (name, program, start) in [
        (
            "nginx",
            "/usr/sbin/nginx",
            nginx as fn(&Bench, SocketAddr, SocketAddr) -> anyhow::Result<Command>,
        ),
        ("haproxy", "/usr/sbin/haproxy", haproxy),
    ] {
        if !Path::new(program).exists() {
            println!("{program} is not installed: not compared with");
            continue;
        }
        let (addr, backend) = (free_address()?, free_address()?);
        let mut command = start(bench, addr, backend)?;
        running.push(Proxy {
            name,
            server: bench.server(name, addr, &mut command)?,
            backend,
        });
    }
    Ok(running)
}

/// One process, so that its processor time is all of it.
fn nginx(bench: &Bench, addr: SocketAddr, backend: SocketAddr) -> anyhow::Result<Command> {
    let directory = bench.directory().join("nginx");
    fs::create_dir_all(&directory).context("nginx")?;
    let config = directory.join("nginx.conf");
    let text = format!(
        "daemon off;\nmaster_process off;\npid {pid};\nerror_log stderr;\nevents {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path body;\n  proxy_temp_path proxy;\n  fastcgi_temp_path fastcgi;\n  \
         uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n  server {{\n    listen {addr};\n    tcp_nodelay on;\n    location / {{\n      \
         proxy_pass http://{backend};\n      proxy_http_version 1.1;\n      proxy_set_header Upgrade $http_upgrade;\n      \
         proxy_set_header Connection upgrade;\n      proxy_read_timeout 1h;\n      proxy_buffer_size 64k;\n      proxy_buffers 4 64k;\n      \
         proxy_busy_buffers_size 128k;\n    }}\n  }}\n}}\n",
        pid = directory.join("pid").display(),
    );
    fs::write(&config, text).context("nginx.conf")?;
    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-p").arg(&directory).arg("-c").arg(&config);
    Ok(command)
}

fn haproxy(bench: &Bench, addr: SocketAddr, backend: SocketAddr) -> anyhow::Result<Command> {
    let config = bench.directory().join("haproxy.cfg");
    let text = format!(
        "global\n  nbthread 1\n  maxconn 8192\n  tune.bufsize 65536\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 1h\n  \
         timeout server 1h\n  timeout tunnel 1h\nfrontend in\n  bind {addr}\n  default_backend out\nbackend out\n  server one {backend}\n"
    );
    fs::write(&config, text).context("haproxy.cfg")?;
    let mut command = Command::new("/usr/sbin/haproxy");
    command.arg("-db").arg("-f").arg(&config);
    Ok(command)
}
