//! A proxy on loopback that takes names of the internet to servers of the test.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// It stops with the process of the test.
pub(crate) struct Proxy {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Proxy {
    /// Connects to these hosts (`ghcr.io:443`) by these addresses, and to no other; `login` is the value of
    /// `Proxy-Authorization` it wants to see.
    pub(crate) fn start(routes: &[(&str, &str)], login: Option<&str>) -> Self {
        let routes: Vec<(String, String)> =
            routes.iter().map(|(host, address)| ((*host).to_owned(), (*address).to_owned())).collect();
        let routes = Arc::new((routes, login.map(str::to_owned)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let seen = Arc::clone(&proxy.seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (routes, seen) = (Arc::clone(&routes), Arc::clone(&seen));
                thread::spawn(move || drop(serve(&stream, &routes.0, routes.1.as_deref(), &seen)));
            }
        });
        proxy
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// The heads of all requests, by lines.
    pub(crate) fn seen(&self) -> Vec<Vec<String>> {
        self.seen.lock().unwrap().clone()
    }

    /// The hosts that were asked for.
    pub(crate) fn hosts(&self) -> std::collections::BTreeSet<String> {
        let hosts = self.seen().into_iter().map(|head| head[0].split(' ').nth(1).unwrap_or_default().to_owned());
        hosts.collect()
    }
}

fn serve(
    stream: &TcpStream,
    routes: &[(String, String)],
    login: Option<&str>,
    seen: &Mutex<Vec<Vec<String>>>,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    seen.lock().unwrap().push(head.clone());
    let shown = head
        .iter()
        .find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization")));
    if login.is_some() && shown.map(|(_, value)| value) != login {
        let answer = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        return (&mut &*stream).write_all(answer.as_bytes());
    }
    let wanted = head[0].strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let Some((_, address)) = routes.iter().find(|(host, _)| Some(host.as_str()) == wanted) else {
        return (&mut &*stream).write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
    };
    let server = TcpStream::connect(address)?;
    (&mut &*stream).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from, mut to) = (stream.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    io::copy(&mut &server, &mut &*stream)?;
    stream.shutdown(std::net::Shutdown::Both)
}
