//! The two sockets of a stream: RTP on an even port from the beginning, RTCP on the odd one after it (RFC 3550
//! section 11) only once the call needs it, which most never do: nobody answered, it was over soon, or the peer
//! multiplexes (RFC 5761). Four files a call become two, and opening a socket is dear.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Room for about a second of 20 ms packets while a thread is held up.
const BUFFER_BYTES: usize = 64 * 1024;
/// The same for all streams of a shared port, as far as the system allows.
const SHARED_BUFFER_BYTES: usize = 8 * 1024 * 1024;
/// Expedited forwarding (RFC 3246) in the upper six bits of the traffic class.
const DSCP_EF: u32 = 46 << 2;

/// The socket of RTCP beside that of RTP.
pub(super) fn bind_beside(rtp: &UdpSocket) -> io::Result<UdpSocket> {
    let mut address = rtp.local_addr()?;
    address.set_port(address.port().checked_add(1).ok_or(io::ErrorKind::InvalidInput)?);
    bind(address)
}

/// A socket of media there.
pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    bind_with(address, BUFFER_BYTES)
}

/// One for many streams.
pub(super) fn bind_shared(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = bind_with(address, SHARED_BUFFER_BYTES)?;
    let _ = SockRef::from(&socket).set_send_buffer_size(SHARED_BUFFER_BYTES);
    Ok(socket)
}

fn bind_with(address: SocketAddr, buffer_bytes: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    // Marks and buffer sizes are the administrator's to refuse; media flows without them.
    let _ = socket.set_recv_buffer_size(buffer_bytes);
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        let _ = socket.set_tclass_v6(DSCP_EF);
    } else {
        let _ = socket.set_tos_v4(DSCP_EF);
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}
