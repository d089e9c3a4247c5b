//! The way to the collector: through proxies, and past addresses that do not answer.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rollcall_agent::{
    client::{Client, ClientError, Route},
    tls::{Time, Trust},
};
use rollcall_shared::{
    AgentId, Timestamp,
    wire::v1::{RecoverRequest, paths},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;
use uuid::Uuid;

use super::{
    collector::{Answer, Collector, Leaf, Pki},
    commands::Machine,
};

/// A proxy that passes on what it is asked to by CONNECT, or answers with this status. What it was asked, it remembers.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(crate) async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), asked: Arc::default() };
        let asked = Arc::clone(&proxy.asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Self::serve(stream, status, Arc::clone(&asked)));
            }
        });
        proxy
    }

    async fn serve(mut stream: TcpStream, status: u16, asked: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned();
        asked.lock().unwrap().push(head);
        stream.write_all(format!("HTTP/1.1 {status} Test\r\n\r\n").as_bytes()).await?;
        if status == 200 {
            let mut collector = TcpStream::connect(target).await?;
            tokio::io::copy_bidirectional(&mut stream, &mut collector).await?;
        }
        Ok(())
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

#[tokio::test]
async fn everything_goes_through_the_proxy_and_nothing_where_it_is_not_wanted() {
    let machine = Machine::new().await;
    let proxy = Proxy::start(200).await;
    let (address, at) = (format!("http://me:a%40b@127.0.0.1:{}", proxy.port), machine.collector.address);
    let token = machine.collector.token().to_text();
    let (code, printed) = machine.run(&["enroll", "--token-file", "-", "--proxy", &address], &token).await;
    assert_eq!(code, 0, "{printed}");
    let asked = proxy.asked();
    // me:a@b
    assert!(
        asked.iter().all(|head| head.starts_with(&format!("CONNECT {at} ")) && head.to_lowercase().contains("basic bwu6yubi")),
        "{asked:?}"
    );
    assert_eq!(asked.len(), 1);
    let (code, printed) = machine.run(&["run", "--once", "--proxy", &address], "").await;
    assert!(code == 0 && !proxy.asked().is_empty(), "{printed}");
    let (code, printed) = machine.run(&["run", "--once", "--proxy", &address, "--no-proxy", "127.0.0.0/8"], "").await;
    assert!(code == 0 && proxy.asked().is_empty(), "{printed}");

    let plain = format!("127.0.0.1:{}", proxy.port);
    let with = |variables: &[(&str, &str)]| {
        let mut command = machine.command(&["run", "--once"]);
        command.envs(variables.iter().copied());
        tokio::task::spawn_blocking(move || command.output().unwrap().status.code())
    };
    assert_eq!(with(&[("HTTPS_PROXY", &plain)]).await.unwrap(), Some(0));
    assert_eq!(proxy.asked().len(), 1);
    for without in
        [&[("HTTPS_PROXY", plain.as_str()), ("NO_PROXY", "127.0.0.1")], &[("HTTPS_PROXY", plain.as_str()), ("ROLLCALL_PROXY", "none")]]
    {
        assert_eq!(with(without).await.unwrap(), Some(0));
        assert!(proxy.asked().is_empty());
    }
}

fn client(urls: Vec<Url>, pki: &Pki, return_to_first: Duration) -> Client {
    let time = Time { best: Timestamp::now(), last_authenticated: None };
    Client::anonymous(urls, Trust::Pin(pki.pin()), time, Route { return_to_first, ..Route::default() }).unwrap()
}

async fn ask(client: &Client) -> Result<(), ClientError> {
    let request: RecoverRequest =
        rollcall_agent::keys::AgentKey::generate().unwrap().recovery(AgentId(Uuid::nil()), 1, Uuid::nil()).unwrap();
    match client.recover(&request).await {
        Err(ClientError::Refused { problem, .. }) if problem.status == 418 => Ok(()),
        Err(error) => Err(error),
        Ok(_) => panic!("nothing is issued here"),
    }
}

/// How often each was asked since the last look.
fn counts(collectors: [&Collector; 2]) -> [usize; 2] {
    collectors.map(|collector| collector.asked().iter().filter(|asked| asked.path == paths::RECOVER).count())
}

#[tokio::test]
async fn a_dead_collector_is_passed_over_and_the_first_one_is_gone_back_to() {
    let pki = Arc::new(Pki::new());
    let first = Collector::start(Arc::clone(&pki), &Leaf::default()).await;
    let second = Collector::start(Arc::clone(&pki), &Leaf::default()).await;
    first.answer(|_| Answer::Lost);
    second.answer(|_| Answer::problem(418, "reached"));
    // A port where nobody listens any more, besides.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let urls: Vec<Url> = [closed, first.address, second.address].iter().map(|at| format!("https://{at}/").parse().unwrap()).collect();
    let (patient, eager) = (client(urls[1..].to_vec(), &pki, Duration::from_secs(600)), client(urls[1..].to_vec(), &pki, Duration::ZERO));
    for client in [&patient, &eager, &client(urls, &pki, Duration::ZERO)] {
        ask(client).await.unwrap();
        let [tried, answered] = counts([&first, &second]);
        assert!(tried >= 1 && answered == 1, "{tried} {answered}");
    }
    first.answer(|_| Answer::problem(418, "reached"));
    ask(&patient).await.unwrap();
    assert_eq!(counts([&first, &second]), [0, 1]);
    ask(&eager).await.unwrap();
    assert_eq!(counts([&first, &second]), [1, 0]);
}
