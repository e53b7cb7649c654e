/* Addresses of clients: what counts as one, and how many hold each. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "http/address.h"

static struct address_key key_of(const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct address_key key;

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		cr_assert(address_key_of((const struct sockaddr *)&in, &key));
	else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
		cr_assert(address_key_of((const struct sockaddr *)&in6, &key));
	else
		cr_assert(false, "'%s' is no address", text);
	return key;
}

static bool are_one(const char *one, const char *other)
{
	struct address_key a = key_of(one), b = key_of(other);

	return memcmp(&a, &b, sizeof(a)) == 0;
}

Test(address, of_ipv4_each_is_one)
{
	cr_assert(are_one("192.0.2.1", "192.0.2.1"));
	cr_assert(not(are_one("192.0.2.1", "192.0.2.2")));
}

Test(address, of_ipv6_what_a_customer_has_is_one)
{
	cr_assert(are_one("2001:db8:0:7::1", "2001:db8:0:7:ffff:ffff:ffff:ffff"));
	cr_assert(not(are_one("2001:db8:0:7::1", "2001:db8:0:8::1")));
}

Test(address, ipv4_written_as_ipv6_is_ipv4)
{
	cr_assert(are_one("::ffff:192.0.2.1", "192.0.2.1"));
	cr_assert(not(are_one("::ffff:192.0.2.1", "::ffff:192.0.2.2")));
}

Test(address, the_two_kinds_are_never_one)
{
	cr_assert(not(are_one("0.0.0.0", "::")));
	cr_assert(not(are_one("32.1.13.184", "2001:db8::")));
}

Test(address, a_unix_socket_has_none)
{
	struct sockaddr unix_socket = { .sa_family = AF_UNIX };
	struct address_key key;

	cr_assert(not(address_key_of(&unix_socket, &key)));
	cr_assert(not(address_key_of(NULL, &key)));
}

Test(address, holders_are_counted_by_address)
{
	static struct address_book book;
	struct address_key one = key_of("192.0.2.1"), other = key_of("192.0.2.2");
	struct address *held[3];

	address_book_init(&book);
	cr_assert(eq(u32, address_book_most(&book), 0));
	held[0] = address_hold(&book, &one);
	held[1] = address_hold(&book, &one);
	held[2] = address_hold(&book, &other);
	cr_assert(eq(ptr, held[0], held[1]));
	cr_assert(ne(ptr, held[0], held[2]));
	cr_assert(eq(u32, held[0]->holders, 2));
	cr_assert(eq(u32, address_book_most(&book), 2));
	address_release(held[0]);
	cr_assert(eq(u32, address_book_most(&book), 1));
	address_release(held[1]);
	address_release(held[2]);
	address_release(NULL);
	cr_assert(eq(u32, address_book_most(&book), 0));
}

/* 10,000 of them in 1,024 buckets, each found again and all forgotten: LeakSanitizer looks. */
Test(address, many_are_told_apart)
{
	static struct address_book book;
	static struct address *held[10000];
	char text[16];

	address_book_init(&book);
	for (unsigned n = 0; n < 10000; n++) {
		struct address_key key;

		snprintf(text, sizeof(text), "10.1.%u.%u", n / 250, n % 250);
		key = key_of(text);
		held[n] = address_hold(&book, &key);
		cr_assert(held[n] != NULL && held[n]->holders == 1, "%s", text);
	}
	for (unsigned n = 0; n < 10000; n++)
		address_release(held[n]);
	cr_assert(eq(u32, address_book_most(&book), 0));
}
