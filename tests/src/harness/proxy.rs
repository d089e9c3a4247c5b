//! A loopback TCP proxy that can keep answers back: the request arrives, the answer is lost.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// A proxy in front of one address.
pub struct Proxy {
    address: SocketAddr,
    target: watch::Sender<String>,
    holding: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    cut: watch::Sender<u64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port and passes everything to `target` until told otherwise.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start(target: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (target, targets) = watch::channel(target.to_owned());
        let (cut, cuts) = watch::channel(0);
        let holding = Arc::new(AtomicBool::new(false));
        let bytes = Arc::new(AtomicU64::new(0));
        let accepting = tokio::spawn(accept(listener, targets, Arc::clone(&holding), Arc::clone(&bytes), cuts));
        Ok(Self { address, target, holding, bytes, cut, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes that went by so far, both ways.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    /// New connections go there.
    pub fn retarget(&self, target: &str) {
        self.target.send_replace(target.to_owned());
    }

    /// From now on no answer gets through: of a TLS connection only the server's part of the handshake does.
    pub fn hold_answers(&self) {
        self.holding.store(true, Ordering::SeqCst);
    }

    /// Cuts every connection, with the answers that were kept back; answers are kept back still.
    pub fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Cuts every connection, with the answers that were kept back, and passes everything again.
    pub fn cut_and_pass(&self) {
        self.holding.store(false, Ordering::SeqCst);
        self.cut();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(
    listener: TcpListener,
    targets: watch::Receiver<String>,
    holding: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    cuts: watch::Receiver<u64>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let target = targets.borrow().clone();
        let (holding, bytes, mut cuts) = (Arc::clone(&holding), Arc::clone(&bytes), cuts.clone());
        cuts.mark_unchanged();
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(&target).await else { return };
            let (client_read, client_write) = client.into_split();
            let (server_read, server_write) = server.into_split();
            let requested = Arc::new(AtomicBool::new(false));
            tokio::select! {
                () = requests(client_read, server_write, &requested, &bytes) => {}
                () = answers(server_read, client_write, &holding, &requested, &bytes) => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

/// Passes what the client sends; notes when the first encrypted record goes by, which ends its part of the handshake.
async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, requested: &AtomicBool, bytes: &AtomicU64) {
    const APPLICATION_DATA: u8 = 23;
    let mut buffer = vec![0; 16 << 10];
    let mut header = Vec::with_capacity(5);
    let mut rest_of_record = 0_usize;
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        bytes.fetch_add(length as u64, Ordering::SeqCst);
        for &byte in &buffer[..length] {
            if rest_of_record > 0 {
                rest_of_record -= 1;
                continue;
            }
            header.push(byte);
            if header.len() == 5 {
                if header[0] == APPLICATION_DATA {
                    requested.store(true, Ordering::SeqCst);
                }
                rest_of_record = usize::from(u16::from_be_bytes([header[3], header[4]]));
                header.clear();
            }
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, holding: &AtomicBool, requested: &AtomicBool, bytes: &AtomicU64) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        bytes.fetch_add(length as u64, Ordering::SeqCst);
        let keep_back = holding.load(Ordering::SeqCst) && requested.load(Ordering::SeqCst);
        if !keep_back && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
