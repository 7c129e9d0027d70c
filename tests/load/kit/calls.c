/* Caller and callee in one process: many whole calls a second through a switch, open loop, whatever it answers.
 *   calls SWITCH-IP SWITCH-PORT CALLER-IP CALLER-PORT CALLEE-IP CALLEE-PORT SERVICE RATE SECONDS HOLD-MS [FIRST-SECONDS]
 * Counted are calls begun after FIRST-SECONDS. One JSON line at the end. INVITEs are repeated after 0.5, 1.5 and 3.5 s (RFC 3261 timer A);
 * a call refused by 503 is over. Both sides multiplex RTCP. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CALLER_RTP = 40000, CALLEE_RTP = 41000 };
enum { NEW, RINGING, UP, ENDING, DONE, REFUSED, FAILED };
struct call { double at, up_at, ends_at; int state, tries; float setup_ms; char tag[64]; };

static struct call *calls;
static long begun, most;
static int caller, callee;
static struct sockaddr_in to_switch;
static char own[64], other[64], target[64], service[32], run[32];
static double hold;
static long counted_from, done_in_time, refused_in_time, lost_503;
static double first, until;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void put(int socket, const char *text, int length) {
    sendto(socket, text, length, MSG_DONTWAIT, (struct sockaddr *)&to_switch, sizeof to_switch);
}

static const char *SDP = "v=0\r\no=load 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=rtcp-mux\r\na=sendrecv\r\n";

static void invite(long n) {
    char sdp[400], text[1600];
    char ip[64];
    snprintf(ip, sizeof ip, "%.*s", (int)strcspn(own, ":"), own);
    int body = snprintf(sdp, sizeof sdp, SDP, ip, ip, CALLER_RTP);
    int length = snprintf(text, sizeof text,
        "INVITE sip:%s@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKi%s-%ld\r\nFrom: <sip:c%ld@%s>;tag=f%ld\r\nTo: <sip:%s@%s>\r\n"
        "Call-ID: %s-%ld@load\r\nCSeq: 1 INVITE\r\nContact: <sip:c%ld@%s>\r\nMax-Forwards: 70\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\n"
        "Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
        service, target, own, run, n, n, own, n, service, target, run, n, n, own, body, sdp);
    put(caller, text, length);
}

/* ACK or BYE of a call; `same`: in the transaction of the INVITE, as the ACK of a failure is. */
static void follow(long n, const char *method, int cseq, int same) {
    char text[900];
    int length = snprintf(text, sizeof text,
        "%s sip:%s@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%c%s-%ld\r\nFrom: <sip:c%ld@%s>;tag=f%ld\r\nTo: <sip:%s@%s>;tag=%s\r\n"
        "Call-ID: %s-%ld@load\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        method, service, target, own, same ? 'i' : method[0], run, n, n, own, n, service, target, calls[n].tag, run, n, cseq, method);
    put(caller, text, length);
}

static const char *header(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at ? at + strlen(name) : NULL;
}

static void hear_caller(char *text) {
    double t = now();
    if (strncmp(text, "SIP/2.0 ", 8)) return;
    int code = atoi(text + 8);
    const char *id = header(text, "\r\nCall-ID: "), *cseq = header(text, "\r\nCSeq: "), *to = header(text, "\r\nTo: ");
    if (!id || !cseq || !to || strncmp(id, run, strlen(run))) return;
    long n = atol(id + strlen(run) + 1);
    if (n < 0 || n >= begun) return;
    struct call *c = &calls[n];
    int is_bye = strncmp(cseq, "2 BYE", 5) == 0;
    const char *tag = strstr(to, ";tag="), *end = strstr(to, "\r\n");
    if (tag && end && tag < end) snprintf(c->tag, sizeof c->tag, "%.*s", (int)strcspn(tag + 5, ";\r> "), tag + 5);
    if (is_bye) {
        if (code == 200 && c->state == ENDING) {
            c->state = DONE;
            if (t >= first && t < until) done_in_time++;
        }
        return;
    }
    if (code < 200) {
        if (c->state == NEW) c->state = RINGING;
    } else if (code == 200) {
        follow(n, "ACK", 1, 0);
        if (c->state <= RINGING) {
            c->state = UP;
            c->setup_ms = (t - c->at) * 1e3;
            c->ends_at = t + hold;
            if (hold <= 0) {
                c->state = ENDING;
                c->ends_at = t + 0.5;
                follow(n, "BYE", 2, 0);
            }
        }
    } else {
        follow(n, "ACK", 1, 1);
        if (c->state <= RINGING) {
            c->state = code == 503 ? REFUSED : FAILED;
            if (code == 503 && t >= first && t < until) refused_in_time++;
            if (code == 503 && !strstr(text, "\r\nRetry-After: ")) lost_503++;
        }
    }
}

static void hear_callee(char *text, struct sockaddr_in *from) {
    if (!strncmp(text, "SIP/2.0", 7) || !strncmp(text, "ACK ", 4)) return;
    char reply[3000], sdp[400], ip[64];
    int is_invite = !strncmp(text, "INVITE ", 7), body = 0, at = 0;
    const char *lines[] = { "Via: ", "From: ", "Call-ID: ", "CSeq: ", "Record-Route: " };
    at += snprintf(reply, sizeof reply, "SIP/2.0 200 OK\r\n");
    for (char *line = strstr(text, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        line += 2;
        int length = (int)strcspn(line, "\r"), is_to = !strncmp(line, "To: ", 4);
        int wanted = is_to;
        for (int i = 0; i < 5; i++) wanted |= !strncmp(line, lines[i], strlen(lines[i]));
        if (wanted && at + length + 900 < (int)sizeof reply) {
            int tagged = memmem(line, length, ";tag=", 5) != NULL;
            at += snprintf(reply + at, sizeof reply - at, "%.*s%s\r\n", length, line, is_to && !tagged ? ";tag=callee" : "");
        }
        line -= 2;
    }
    if (is_invite) {
        snprintf(ip, sizeof ip, "%.*s", (int)strcspn(other, ":"), other);
        body = snprintf(sdp, sizeof sdp, SDP, ip, ip, CALLEE_RTP);
        at += snprintf(reply + at, sizeof reply - at, "Contact: <sip:%s>\r\nContent-Type: application/sdp\r\n", other);
    }
    at += snprintf(reply + at, sizeof reply - at, "Content-Length: %d\r\n\r\n%s", body, body ? sdp : "");
    sendto(callee, reply, at, MSG_DONTWAIT, (struct sockaddr *)from, sizeof *from);
}

static int open_at(const char *ip, int port, int size) {
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    inet_pton(AF_INET, ip, &a.sin_addr);
    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (bind(s, (struct sockaddr *)&a, sizeof a)) { perror("bind"); exit(1); }
    return s;
}

static int hear_all(void) {
    static char text[65536];
    int heard = 0;
    for (int which = 0; which < 2; which++) {
        for (int i = 0; i < 64; i++) {
            struct sockaddr_in from;
            socklen_t size = sizeof from;
            ssize_t length = recvfrom(which ? callee : caller, text, sizeof text - 1, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
            if (length <= 0) break;
            text[length] = 0;
            heard++;
            if (which) hear_callee(text, &from); else hear_caller(text);
        }
    }
    return heard;
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* Repeats what was not answered; `seen` is how far each of the three repetitions has come. */
static void repeat(double t, long seen[3], long *byes) {
    static const double after[3] = { 0.5, 1.5, 3.5 };
    for (int i = 0; i < 3; i++) {
        while (seen[i] < begun && t - calls[seen[i]].at >= after[i]) {
            if (calls[seen[i]].state == NEW) { invite(seen[i]); calls[seen[i]].tries++; }
            seen[i]++;
        }
    }
    (void)byes;
}

int main(int argc, char **argv) {
    if (argc < 11) { fprintf(stderr, "see the top of calls.c\n"); return 2; }
    double rate = atof(argv[8]), seconds = atof(argv[9]), skip = argc > 11 ? atof(argv[11]) : 0;
    hold = atof(argv[10]) / 1e3;
    snprintf(own, sizeof own, "%s:%s", argv[3], argv[4]);
    snprintf(other, sizeof other, "%s:%s", argv[5], argv[6]);
    snprintf(target, sizeof target, "%s:%s", argv[1], argv[2]);
    snprintf(service, sizeof service, "%s", argv[7]);
    snprintf(run, sizeof run, "%ld", (long)time(NULL) % 1000000 + getpid());
    to_switch = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(atoi(argv[2])) };
    inet_pton(AF_INET, argv[1], &to_switch.sin_addr);
    caller = open_at(argv[3], atoi(argv[4]), 8 << 20);
    callee = open_at(argv[5], atoi(argv[6]), 8 << 20);
    /* Reports of the switch have somewhere to go, as at any phone: nobody reads them here. */
    open_at(argv[3], CALLER_RTP, 0);
    open_at(argv[5], CALLEE_RTP, 0);
    most = (long)(rate * seconds) + 10;
    calls = calloc(most, sizeof *calls);
    double start = now();
    long seen[3] = { 0, 0, 0 }, up_seen = 0, byes = 0;
    first = start + skip;
    until = start + seconds;
    double end = until + hold + 4;
    while (now() < end) {
        double t = now();
        long wanted = t < until ? (long)((t - start) * rate) : begun;
        for (int i = 0; begun < wanted && begun < most && i < 64; i++) {
            calls[begun].at = t;
            if (t < first) counted_from = begun + 1;
            invite(begun++);
        }
        repeat(t, seen, &byes);
        /* Calls end in about the order in which they were answered. */
        for (; up_seen < begun && (calls[up_seen].state != UP || t >= calls[up_seen].ends_at); up_seen++) {
            if (calls[up_seen].state <= RINGING && t - calls[up_seen].at < 6) break;
            if (calls[up_seen].state == UP) { calls[up_seen].state = ENDING; follow(up_seen, "BYE", 2, 0); }
        }
        if (!hear_all() && begun >= wanted) {
            struct pollfd fds[2] = { { caller, POLLIN, 0 }, { callee, POLLIN, 0 } };
            poll(fds, 2, 1);
        }
    }
    long offered = 0, done = 0, refused = 0, failed = 0, silent = 0, answered = 0, repeated = 0;
    float *setups = malloc((most + 1) * sizeof *setups);
    for (long n = counted_from; n < begun; n++) {
        offered++;
        repeated += calls[n].tries;
        done += calls[n].state == DONE;
        refused += calls[n].state == REFUSED;
        failed += calls[n].state == FAILED;
        silent += calls[n].state != DONE && calls[n].state != REFUSED && calls[n].state != FAILED;
        if (calls[n].setup_ms > 0) setups[answered++] = calls[n].setup_ms;
    }
    qsort(setups, answered, sizeof *setups, by_value);
    double span = seconds - skip;
    printf("{\"kind\": \"calls\", \"rate\": %.0f, \"offered\": %ld, \"done\": %ld, \"refused\": %ld, \"failed\": %ld, \"silent\": %ld, \"repeated\": %ld, "
           "\"done_per_s\": %.1f, \"refused_per_s\": %.1f, \"without_retry_after\": %ld, \"setup_ms_p50\": %.2f, \"setup_ms_p99\": %.2f}\n",
           rate, offered, done, refused, failed, silent, repeated, done_in_time / span, refused_in_time / span, lost_503,
           answered ? setups[answered / 2] : 0, answered ? setups[(long)(answered * 0.99)] : 0);
    return 0;
}
