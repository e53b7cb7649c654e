/*
 * principal: who asks, and what he may do.
 *
 * Every request has one (request->principal, never NULL). Where no tokens are in force it is
 * the anonymous one, who may do everything; where they are, it is who the token says, or
 * nobody, who may do what needs no scope. A certificate or the user at the other end of a
 * socket lead to the same principals, by their names.
 *
 * A principal with labels sees and touches only jobs that have all of them: the others are
 * to him as jobs that never were.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_PRINCIPAL_H
#define LEAT_HTTP_PRINCIPAL_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "job/definition.h"
#include "job/record.h"

enum scope {
	SCOPE_NONE = 0, /* of a route: anybody may */
	SCOPE_READ = 1,
	SCOPE_SUBMIT = 2,
	SCOPE_OPERATE = 4,
	SCOPE_ADMIN = 8, /* has the other three, and what spans all labels */
};
#define SCOPE_SPANS 16 /* of a route: shows all jobs together, so not to who has labels */
#define SCOPE_LOOKS 32 /* of a route: changes nothing, whatever its method */
#define SCOPE_ALL   (SCOPE_READ | SCOPE_SUBMIT | SCOPE_OPERATE | SCOPE_ADMIN)

#define PRINCIPAL_NAME_SIZE RECORD_OWNER_SIZE

struct principal {
	unsigned refs;
	char name[PRINCIPAL_NAME_SIZE]; /* "": anonymous, or nobody */
	unsigned scopes;                /* mask of enum scope */
	json_t *labels;                 /* that his jobs have; NULL: any */
	bool revoked;                   /* while a request of his was under way */
};

/* With one reference; NULL without memory. `name` fits. */
struct principal *principal_new(const char *name, unsigned mask, json_t *labels);
struct principal *principal_ref(struct principal *principal);
void principal_unref(struct principal *principal);

/* May he do what wants any of `scopes`? */
bool principal_may(const struct principal *principal, unsigned scopes);
/* Does he see a job with these labels? */
bool principal_sees(const struct principal *principal, const json_t *labels);

/*
 * Put his labels among those of a job that he makes; another value than his is refused.
 * ERR_FORBIDDEN with a mistake, ERR_NO_MEMORY.
 */
int principal_mark(const struct principal *principal, json_t *labels, struct mistakes *mistakes,
	struct error *err);
/* May he change a job's labels so? `patch` is a body of PATCH: no job of his stops being his,
 * and none of his labels goes. ERR_FORBIDDEN with a mistake. */
int principal_keeps(const struct principal *principal, const json_t *patch,
	struct mistakes *mistakes, struct error *err);

/* "read", …; one bit. */
const char *scope_name(enum scope scope);
/* SCOPE_NONE: there is none of that name. */
enum scope scope_parse(const char *name);
/* "read or submit", for people. */
#define SCOPES_TEXT_SIZE 48
void scopes_text(unsigned mask, const char *between, char ret_text[static SCOPES_TEXT_SIZE]);

#endif
