//! The two sockets of a stream.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Room for about a second of 20 ms packets while a thread is held up.
const BUFFER_BYTES: usize = 64 * 1024;
/// Expedited forwarding (RFC 3246) in the upper six bits of the traffic class.
const DSCP_EF: u32 = 46 << 2;

/// RTP on `port` and RTCP on the port after it. Fails as a pair.
pub(super) fn bind_pair(address: IpAddr, port: u16) -> io::Result<(UdpSocket, UdpSocket)> {
    let rtcp_port = port.checked_add(1).ok_or(io::ErrorKind::InvalidInput)?;
    Ok((bind(SocketAddr::new(address, port))?, bind(SocketAddr::new(address, rtcp_port))?))
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    // Marks and buffer sizes are the administrator's to refuse; media flows without them.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        let _ = socket.set_tclass_v6(DSCP_EF);
    } else {
        let _ = socket.set_tos_v4(DSCP_EF);
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}
