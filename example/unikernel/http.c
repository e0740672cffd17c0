/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http.c - what listens here: an echo, and a page that says how the kernel is
 *
 * A request is looked at as it comes: its first bytes are kept, and of its end how much of
 * the empty line was seen. One answer, then the end of the connection. [RFC 862, 9112]
 */
#include <string.h>

#include "stack.h"

#define PAGE_ROOM 2048u

struct request {
    uint8_t start_len, end_seen;
    char start[6]; /* "GET / " */
};
_Static_assert(sizeof(struct request) <= sizeof(((struct tcp_conn *)0)->memory),
               "it fits a connection");

/* What came fits: a connection takes no more than that. */
static void
echo_data(struct tcp_conn *conn, const uint8_t *data, uint32_t len)
{
    (void)tcp_write(conn, data, len);
}

static void
text_write(struct tcp_conn *conn, const char *text)
{
    while (*text)
        (void)tcp_write(conn, text++, 1);
}

static void
answer(struct tcp_conn *conn, const char *status, const char *body, uint32_t len)
{
    static const char type[] =
        "\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: ";
    char digits[] = "0000\r\n\r\n";

    for (uint32_t i = 4, left = len; i > 0; left /= 10)
        digits[--i] = (char)('0' + left % 10);
    text_write(conn, "HTTP/1.1 ");
    text_write(conn, status);
    text_write(conn, type);
    text_write(conn, digits);
    (void)tcp_write(conn, body, len);
    tcp_close(conn);
}

static void
request_answer(struct tcp_conn *conn, const struct request *r)
{
    char page[PAGE_ROOM];

    if (r->start_len == sizeof(r->start) && memcmp(r->start, "GET / ", 6) == 0)
        answer(conn, "200 OK", page, status_page(page, sizeof(page)));
    else if (r->start_len == sizeof(r->start) && memcmp(r->start, "GET /", 5) == 0)
        answer(conn, "404 Not Found", "There is only /\n", 16);
    else
        answer(conn, "501 Not Implemented", "There is only GET\n", 18);
}

static void
http_data(struct tcp_conn *conn, const uint8_t *data, uint32_t len)
{
    static const char end[] = "\r\n\r\n";
    struct request *r = (void *)conn->memory;

    for (uint32_t i = 0; i < len && !conn->done; i++) {
        char c = (char)data[i];

        if (r->start_len < sizeof(r->start))
            r->start[r->start_len++] = c;
        r->end_seen = c == end[r->end_seen] ? r->end_seen + 1 : c == '\r';
        if (r->end_seen == 4)
            request_answer(conn, r);
    }
}

const struct tcp_service services_of_tcp[2] = {
    {.port = 7, .echoes = true, .data = echo_data},
    {.port = 80, .data = http_data},
};
