/* An open loop: HTTP requests fall due at random moments of a fixed mean rate (Poisson), whether or not earlier ones have
 * been answered. Latency counts from the moment a request was due, so a server that stalls is charged for all that had to
 * wait meanwhile. One thread, epoll, keep-alive connections; prints one line of JSON.
 *
 * open_loop -p PORT -u PATH -b BODY_FILE -t CONTENT_TYPE -r REQUESTS_PER_SECOND [-c CONNECTIONS] [-d SECONDS]
 *           [-w WARM_UP_SECONDS] [-g SECONDS_TO_WAIT_FOR_THE_LAST_ANSWERS]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PORTS_OF_AN_ADDRESS 20000 /* then 127.0.0.2 follows 127.0.0.1 */
#define EVENTS 256

enum state { CONNECTING, IDLE, WAITING };

struct connection {
    enum state state;
    int fd;
    bool blocked;        /* the request is not wholly written */
    size_t written;
    double due;
    char *answer;
    size_t have, room;
    size_t whole;        /* bytes of the answer; 0 until its head is complete, SIZE_MAX where it is chunked */
    int status;
    bool closes;
};

struct series { float *values; size_t count, room; };

static struct { const char *path, *type, *body; int port, connections; double rate, seconds, warm_up, grace; } options = {
    .path = "/", .type = "application/json", .connections = 256, .seconds = 5, .warm_up = 1, .grace = 5};
static int epoll, timer;
static char *request;
static size_t request_length;
static struct connection *all;
static struct connection **idle;
static size_t idle_count;
static double *queue;    /* a ring of moments: due, and no connection was idle */
static size_t queue_head, queue_tail, queue_room = 1 << 12;
static double begin, measured_from, measured_to;
static struct series served, refused, lag;
static size_t offered, in_time, failed, reconnects;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void fail(const char *what) {
    fprintf(stderr, "open_loop: %s: %s\n", what, strerror(errno));
    exit(2);
}

static double exponential(void) {
    static uint64_t seed = 88172645463325252ull; /* xorshift: the same moments in each run */
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return -log(((double)(seed >> 11) + 0.5) / 9007199254740992.0);
}

static void note(struct series *series, double milliseconds) {
    if (series->count == series->room) {
        series->room = series->room ? series->room * 2 : 1 << 16;
        series->values = realloc(series->values, series->room * sizeof(float));
        if (!series->values) fail("memory");
    }
    series->values[series->count++] = (float)milliseconds;
}

static bool is_measured(double due) { return due >= measured_from && due < measured_to; }

static void watch(struct connection *connection, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(epoll, operation, connection->fd, &event)) fail("epoll_ctl");
}

static void dial(struct connection *connection) {
    int on = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)}, from = {.sin_family = AF_INET};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)((connection - all) / PORTS_OF_AN_ADDRESS));
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connection->fd < 0) fail("socket");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(connection->fd, (void *)&from, sizeof from)) fail("bind");
    if (connect(connection->fd, (void *)&to, sizeof to) && errno != EINPROGRESS) fail("connect");
    connection->state = CONNECTING;
    watch(connection, EPOLL_CTL_ADD, EPOLLOUT);
}

static void write_rest(struct connection *connection) {
    while (connection->written < request_length) {
        ssize_t sent = send(connection->fd, request + connection->written, request_length - connection->written, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN && !connection->blocked) {
                connection->blocked = true;
                watch(connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            }
            return; /* any other error is seen when it is read */
        }
        connection->written += (size_t)sent;
    }
    if (connection->blocked) {
        connection->blocked = false;
        watch(connection, EPOLL_CTL_MOD, EPOLLIN);
    }
}

static void ask(struct connection *connection, double due) {
    connection->state = WAITING;
    connection->due = due;
    connection->written = connection->have = connection->whole = 0;
    connection->status = 0;
    if (is_measured(due)) note(&lag, (now() - due) * 1e3);
    write_rest(connection);
}

static void release(struct connection *connection) {
    connection->state = IDLE;
    if (queue_head != queue_tail)
        ask(connection, queue[queue_head++ % queue_room]);
    else
        idle[idle_count++] = connection;
}

static void enqueue(double due) {
    if (queue_tail - queue_head == queue_room) {
        double *larger = malloc(queue_room * 2 * sizeof(double));
        if (!larger) fail("memory");
        for (size_t i = 0; i < queue_room; i++) larger[i] = queue[(queue_head + i) % queue_room];
        free(queue);
        queue = larger, queue_head = 0, queue_tail = queue_room, queue_room *= 2;
    }
    queue[queue_tail++ % queue_room] = due;
}

static void answered(struct connection *connection) {
    double at = now();
    if (connection->status == 200 && at >= measured_from && at < measured_to) in_time++;
    if (is_measured(connection->due)) {
        if (connection->status == 200)
            note(&served, (at - connection->due) * 1e3);
        else if (connection->status == 503 || connection->status == 429)
            note(&refused, (at - connection->due) * 1e3);
        else
            failed++;
    }
}

static void redial(struct connection *connection) {
    close(connection->fd);
    reconnects++;
    dial(connection);
}

static void read_head(struct connection *connection) {
    char *end = memmem(connection->answer, connection->have, "\r\n\r\n", 4);
    if (!end) return;
    *end = 0; /* so that the searches stay in the head */
    connection->status = atoi(connection->answer + sizeof "HTTP/1.1");
    connection->closes = strcasestr(connection->answer, "\r\nconnection: close") != NULL;
    char *length = strcasestr(connection->answer, "\r\ncontent-length:");
    size_t head = (size_t)(end + 4 - connection->answer);
    connection->whole = length ? head + strtoul(length + sizeof "\r\ncontent-length:" - 1, NULL, 10) : SIZE_MAX;
}

static void readable(struct connection *connection) {
    if (connection->room - connection->have < 4096) {
        connection->room = connection->room ? connection->room * 2 : 8192;
        connection->answer = realloc(connection->answer, connection->room);
        if (!connection->answer) fail("memory");
    }
    ssize_t got = recv(connection->fd, connection->answer + connection->have, connection->room - connection->have - 1, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        if (connection->state == WAITING && is_measured(connection->due)) failed++;
        for (size_t i = 0; connection->state == IDLE && i < idle_count; i++)
            if (idle[i] == connection) idle[i--] = idle[--idle_count];
        redial(connection);
        return;
    }
    connection->have += (size_t)got;
    connection->answer[connection->have] = 0;
    if (!connection->whole) read_head(connection);
    if (!connection->whole) return;
    if (connection->whole == SIZE_MAX ? memcmp(connection->answer + connection->have - 5, "0\r\n\r\n", 5) != 0
                                      : connection->have < connection->whole)
        return;
    answered(connection);
    if (connection->closes)
        redial(connection);
    else
        release(connection);
}

static void connected(struct connection *connection) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error) {
        errno = error;
        fail("connect");
    }
    connection->blocked = false;
    watch(connection, EPOLL_CTL_MOD, EPOLLIN);
    release(connection);
}

static void wait_until(double moment) {
    struct itimerspec at = {.it_value = {(time_t)moment, (long)((moment - floor(moment)) * 1e9) + 1}};
    if (at.it_value.tv_nsec > 999999999) at.it_value.tv_nsec = 999999999;
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (!connection) continue; /* the timer: it is set anew before each wait */
        if (connection->state == CONNECTING) {
            connected(connection);
            continue;
        }
        if (events[i].events & EPOLLOUT) write_rest(connection);
        if (events[i].events & ~(uint32_t)EPOLLOUT) readable(connection);
    }
}

static void connect_all(void) {
    double until = now() + 20;
    all = calloc((size_t)options.connections, sizeof *all);
    idle = calloc((size_t)options.connections, sizeof *idle);
    queue = malloc(queue_room * sizeof(double));
    if (!all || !idle || !queue) fail("memory");
    for (int i = 0; i < options.connections; i++) {
        dial(&all[i]);
        if (i % 512 == 511) /* a burst that the queue of a listening socket can hold */
            while (idle_count <= (size_t)i && now() < until) wait_until(now() + 0.01);
    }
    while (idle_count < (size_t)options.connections) {
        if (now() > until) fail("not all connections were accepted");
        wait_until(now() + 0.01);
    }
}

static size_t run(void) {
    double next = begin = now();
    measured_from = begin + options.warm_up, measured_to = measured_from + options.seconds;
    for (;;) {
        double moment = now();
        for (; next <= moment && next < measured_to; next += exponential() / options.rate) {
            offered += is_measured(next);
            if (idle_count)
                ask(idle[--idle_count], next);
            else
                enqueue(next);
        }
        if (next < measured_to) {
            wait_until(next);
            continue;
        }
        size_t waiting = queue_tail - queue_head;
        for (int i = 0; i < options.connections; i++) waiting += all[i].state == WAITING;
        if (!waiting || moment > measured_to + options.grace) return waiting;
        wait_until(moment + 0.01);
    }
}

static int compare(const void *one, const void *other) {
    float a = *(const float *)one, b = *(const float *)other;
    return (a > b) - (a < b);
}

static void print(const char *name, struct series *series) {
    qsort(series->values, series->count, sizeof(float), compare);
#define AT(share) (series->count ? (double)series->values[(size_t)((double)(series->count - 1) * (share))] : 0.0)
    printf("\"%s\":{\"count\":%zu,\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f},", name, series->count, AT(.5),
           AT(.9), AT(.99), AT(1));
}

static void read_request(void) {
    FILE *file = fopen(options.body, "rb");
    if (!file || fseek(file, 0, SEEK_END)) fail(options.body);
    size_t length = (size_t)ftell(file);
    rewind(file);
    request = malloc(length + 1024);
    if (!request) fail("memory");
    int head = snprintf(request, 1024, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                        options.path, options.port, options.type, length);
    if (fread(request + head, 1, length, file) != length) fail(options.body);
    request_length = (size_t)head + length;
    fclose(file);
}

int main(int count, char **arguments) {
    for (int option; (option = getopt(count, arguments, "p:u:b:t:r:c:d:w:g:")) > 0;) switch (option) {
        case 'p': options.port = atoi(optarg); break;
        case 'u': options.path = optarg; break;
        case 'b': options.body = optarg; break;
        case 't': options.type = optarg; break;
        case 'r': options.rate = atof(optarg); break;
        case 'c': options.connections = atoi(optarg); break;
        case 'd': options.seconds = atof(optarg); break;
        case 'w': options.warm_up = atof(optarg); break;
        case 'g': options.grace = atof(optarg); break;
        default: return 2;
    }
    if (!options.body || !options.port || options.rate <= 0) {
        fprintf(stderr, "open_loop: -p, -b and -r are needed\n");
        return 2;
    }
    read_request();
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* else the kernel wakes us up to 50 us late */
    epoll = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll < 0 || timer < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event)) fail("epoll");
    connect_all();
    size_t lost = run();
    printf("{");
    print("served", &served);
    print("refused", &refused);
    print("lag", &lag);
    printf("\"offered\":%zu,\"failed\":%zu,\"lost\":%zu,\"goodput\":%.1f,\"reconnects\":%zu,\"measured_to\":%.6f}\n",
           offered, failed, lost, (double)in_time / options.seconds, reconnects, measured_to);
    return 0;
}
