//! What a manager reads, with this test as the manager.

use std::ffi::OsString;
use std::path::PathBuf;

use super::*;

/// A manager's end, on a path of this test's own.
struct Listening {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn manager(name: &str) -> (Listening, OsString) {
    let name = format!("relay-supervisor-{}-{name}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let socket = UnixDatagram::bind(&path).unwrap();
    let address = path.clone().into();
    (Listening { socket, path }, address)
}

fn supervisor(socket: OsString, watchdog_timeout: Option<Duration>) -> Supervisor {
    Supervisor::of(&Environment {
        notify_socket: Some(socket),
        watchdog_timeout,
        ..Environment::default()
    })
}

fn read(manager: &Listening) -> String {
    let mut buffer = [0; 256];
    let length = manager.socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

#[test]
fn a_manager_reads_the_states_in_order() {
    let (manager, address) = manager("states");
    let supervisor = supervisor(address, None);
    supervisor.ready();
    supervisor.reloading();
    supervisor.stopping();
    supervisor.replaced_by(7);
    assert_eq!(read(&manager), "READY=1\nSTATUS=serving");
    let reloading = read(&manager);
    let lines: Vec<_> = reloading.lines().collect();
    assert_eq!((lines[0], lines[2]), ("RELOADING=1", "STATUS=reloading"));
    let since_boot = lines[1].strip_prefix("MONOTONIC_USEC=").unwrap();
    assert!(since_boot.parse::<u64>().unwrap() > 0);
    assert_eq!(read(&manager), "STOPPING=1\nSTATUS=draining");
    assert_eq!(read(&manager), "MAINPID=7\nREADY=1\nSTATUS=serving");
}

#[cfg(target_os = "linux")]
#[test]
fn a_manager_with_an_abstract_name_reads_too() {
    let name = format!("relay-supervisor-{}", std::process::id());
    let address = OsString::from(format!("@{name}"));
    let socket = UnixDatagram::bind_addr(&parse(&address).unwrap()).unwrap();
    supervisor(address, None).ready();
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"READY=1\nSTATUS=serving");
}

#[test]
fn nobody_is_told_where_nobody_listens() {
    Supervisor::of(&Environment::default()).ready();
    let gone = manager("gone").1;
    supervisor(gone, None).ready();
    supervisor("relative".into(), None).ready();
    assert!(parse(OsStr::new("")).is_err());
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_come_at_half_of_the_timeout_until_the_watchdog_is_dropped() {
    let (manager, address) = manager("watchdog");
    manager.socket.set_nonblocking(true).unwrap();
    let count = || {
        let mut pings = 0;
        while manager.socket.recv(&mut [0; 64]).is_ok() {
            pings += 1;
        }
        pings
    };
    let watchdog = supervisor(address, Some(Duration::from_secs(30))).watchdog();
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(count(), 4, "at 15, 30, 45 and 60 s");
    drop(watchdog);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(count(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_timeout_there_are_no_signs_of_life() {
    let (manager, address) = manager("no-watchdog");
    manager.socket.set_nonblocking(true).unwrap();
    let _watchdog = supervisor(address, None).watchdog();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(manager.socket.recv(&mut [0; 64]).is_err());
}
