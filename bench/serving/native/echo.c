/* What a server in C reaches on this machine: {"x": [...]} comes back as {"y": [...]}. Two processes on one port, epoll,
 * keep-alive; nothing of HTTP beyond a Content-Length is understood.
 *
 * echo PORT PROCESSES
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM 8192
#define EVENTS 256

struct connection {
    int fd;
    size_t have;
    char request[ROOM];
};

static int listen_on(int port) {
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) {
        perror("echo");
        exit(1);
    }
    return listener;
}

static void accept_all(int epoll, int listener) {
    int on = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *connection = malloc(sizeof *connection);
        connection->fd = fd, connection->have = 0;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

/* Answer one whole request at the start of the buffer; return its bytes, or 0 where it is not complete. */
static size_t answer(struct connection *connection) {
    char *request = connection->request, response[ROOM + 128];
    request[connection->have] = 0;
    char *end = memmem(request, connection->have, "\r\n\r\n", 4);
    char *field = end ? strcasestr(request, "\r\ncontent-length:") : NULL;
    if (!end) return 0;
    size_t head = (size_t)(end + 4 - request), body = field && field < end ? strtoul(field + 17, NULL, 10) : 0;
    if (connection->have < head + body) return 0;
    int start = sprintf(response, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n", body);
    memcpy(response + start, request + head, body);
    if (body > 2) response[start + 2] = 'y';
    return send(connection->fd, response, (size_t)start + body, MSG_NOSIGNAL) < 0 ? 0 : head + body;
}

static void readable(struct connection *connection) {
    ssize_t got = recv(connection->fd, connection->request + connection->have, ROOM - 1 - connection->have, 0);
    if (got <= 0) {
        close(connection->fd);
        free(connection);
        return;
    }
    connection->have += (size_t)got;
    for (size_t used; connection->have && (used = answer(connection));) {
        connection->have -= used;
        memmove(connection->request, connection->request + used, connection->have);
    }
}

static void serve(int port) {
    int listener = listen_on(port), epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++)
            if (events[i].data.ptr)
                readable(events[i].data.ptr);
            else
                accept_all(epoll, listener);
    }
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    int port = atoi(arguments[1]), processes = atoi(arguments[2]);
    for (int i = 1; i < processes; i++)
        if (!fork()) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve(port);
        }
    serve(port);
}
