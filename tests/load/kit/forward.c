// forward: the floor under a call's signalling. Receives datagrams on one socket and sends each on, nothing else.
// gcc -O2 -o forward forward.c ; forward PORT TO_IP TO_PORT     listens on 127.0.0.1:PORT
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
int main(int c, char **v) {
    if (c < 4) { fprintf(stderr, "forward PORT TO_IP TO_PORT\n"); return 2; }
    int s = socket(AF_INET, SOCK_DGRAM, 0), big = 4 << 20;
    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &big, sizeof big);
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(atoi(v[1]))}, to = {.sin_family = AF_INET, .sin_port = htons(atoi(v[3]))}, from;
    inet_pton(AF_INET, "127.0.0.1", &me.sin_addr);
    inet_pton(AF_INET, v[2], &to.sin_addr);
    if (bind(s, (void *)&me, sizeof me)) { perror("bind"); return 1; }
    puts("ready"); fflush(stdout);
    char buf[8192];
    for (;;) {
        socklen_t n = sizeof from;                         // a SIP server needs the sender's address, so this asks for it too
        ssize_t l = recvfrom(s, buf, sizeof buf, 0, (void *)&from, &n);
        if (l > 0) sendto(s, buf, l, 0, (void *)&to, sizeof to);
    }
}
