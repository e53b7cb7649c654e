/*
 * The driver's uploads: lines go out when there is room, are flushed now and then, and what
 * broke is sent again from where the engine says it stands.
 */
#include "driver_parts.h"

#include <stdio.h>

/* ---- blank lines: the third of every five, where there are any ---- */

static bool is_blank(const struct driver *driver, unsigned line)
{
	return driver->blanks && line % 5 == 2;
}

static unsigned items_before(const struct driver *driver, unsigned line)
{
	return driver->blanks ? line - (line + 2) / 5 : line;
}

void sender_init(struct sender *sender, struct driver *driver, unsigned first, unsigned upto)
{
	unsigned count = upto - first;

	*sender = (struct sender){ .driver = driver, .first = first, .upto = upto };
	while (items_before(driver, sender->lines) < count)
		sender->lines++;
	snprintf(sender->key, sizeof(sender->key), "key %td", sender - driver->senders);
}

/* ---- what the engine says ---- */

static void on_room(void *arg)
{
	struct sender *sender = arg;

	sender->waits = false;
}

static void on_broken(void *arg, const struct error *err)
{
	struct sender *sender = arg;

	MUST(!sender->told);
	sender->told = sender->broken = true; /* a call may have said so before */
	sender->why = *err;
}

static void on_flushed(void *arg, const struct error *err)
{
	struct sender *sender = arg;

	MUST(sender->flushing && !sender->flushed);
	sender->flushed = true;
	sender->why = err == NULL ? (struct error){ 0 } : *err;
}

/* ---- ends ---- */

void sender_drop(struct sender *sender)
{
	struct upload_counts counts;

	if (sender->upload == NULL)
		return;
	upload_counts(sender->upload, &counts);
	MUST(counts.next_offset >= sender->acked || !sender->driver->rules.keys);
	if (sender->driver->rules.keys)
		sender->acked = counts.next_offset;
	upload_close(sender->upload);
	sender->upload = NULL;
	sender->flushing = sender->flushed = sender->waits = false;
	sender->broken = sender->told = false;
}

/* The close was on disk, only the answer to it was lost. */
static bool was_closed(const struct sender *sender, const struct error *why)
{
	const struct driver *driver = sender->driver;
	struct job *job = engine_find(driver->rig->engine, &driver->id);

	return why->code == ERR_INPUT_CLOSED && driver->restarted && job != NULL &&
	       job_key_lines(job, sender->key) == sender->lines;
}

/* It broke, or could not be opened: is that how it may be? */
static void excuse(struct sender *sender, const struct error *why)
{
	struct driver *driver = sender->driver;

	if (driver_job_is_ending(driver) || was_closed(sender, why))
		sender->finished = true;
	else
		MUST(driver_forgives(driver, why), "%d: %s", why->code, why->text);
}

static void break_off(struct sender *sender)
{
	struct error why = sender->why;

	sender_drop(sender);
	excuse(sender, &why);
}

/* ---- opening ---- */

static bool open_upload(struct sender *sender, struct job *job)
{
	struct driver *driver = sender->driver;
	const struct upload_events events = { sender, on_room, on_broken, on_flushed };
	uint64_t offset = sender->at;
	struct error err;

	if (driver->rules.keys)
		offset = rng_below(&driver->rng, sender->acked + 1);
	if (upload_open(job, driver->rules.keys ? sender->key : NULL, offset, &events,
		    &sender->upload, &err) < 0) {
		sender->upload = NULL;
		excuse(sender, &err);
		return false;
	}
	if (driver->rules.keys) {
		sender->at = (unsigned)(offset + upload_skip(sender->upload));
		MUST(sender->at >= sender->acked && sender->at <= sender->lines,
			"at %u, %llu on disk, %u lines", sender->at,
			(unsigned long long)sender->acked, sender->lines);
	} else {
		MUST(upload_skip(sender->upload) == 0);
	}
	sender->blank = 0;
	return true;
}

/* ---- sending ---- */

static bool send_line(struct sender *sender)
{
	struct driver *driver = sender->driver;
	const char *text;
	struct error err;

	if (is_blank(driver, sender->at)) {
		sender->blank++;
		sender->at++;
		return true;
	}
	if (!upload_has_room(sender->upload)) {
		sender->waits = !sender->broken;
		return false;
	}
	text = driver->plan.lines[sender->first + items_before(driver, sender->at)];
	if (upload_line(sender->upload, text, strlen(text), sender->blank + 1, &err) < 0) {
		sender->broken = true;
		sender->why = err;
		return false;
	}
	sender->blank = 0;
	sender->at++;
	return true;
}

static bool others_finished(const struct sender *sender)
{
	const struct driver *driver = sender->driver;

	for (unsigned at = 0; at < driver->sender_count; at++)
		if (&driver->senders[at] != sender && !driver->senders[at].finished)
			return false;
	return true;
}

static void begin_flush(struct sender *sender)
{
	struct driver *driver = sender->driver;
	bool closes = sender->at == sender->lines && others_finished(sender) &&
		      rng_percent(&driver->rng, 50);
	struct error err;

	if (sender->blank > 0)
		upload_seen(sender->upload, sender->blank);
	sender->blank = 0;
	sender->flushing = true;
	if ((closes ? upload_flush_and_close_input(sender->upload, &err)
		    : upload_flush(sender->upload, &err)) < 0) {
		sender->flushing = false;
		sender->broken = true;
		sender->why = err;
	}
}

static void end_flush(struct sender *sender)
{
	struct driver *driver = sender->driver;
	struct upload_counts counts;

	sender->flushing = sender->flushed = false;
	if (sender->why.code != ERR_NONE) {
		break_off(sender);
		return;
	}
	upload_counts(sender->upload, &counts);
	MUST(!driver->rules.keys || counts.next_offset == sender->at, "next %llu, sent %u",
		(unsigned long long)counts.next_offset, sender->at);
	sender->finished = sender->at == sender->lines;
	if (sender->finished || rng_percent(&driver->rng, 30))
		sender_drop(sender);
}

static bool send_some(struct sender *sender)
{
	struct driver *driver = sender->driver;
	unsigned n = (unsigned)RNG_PICK(&driver->rng, 1, 3, 20, 200);
	unsigned before = sender->at;

	while (n-- > 0 && sender->at < sender->lines && send_line(sender))
		;
	if (sender->broken)
		return true;
	if (sender->at == sender->lines || rng_percent(&driver->rng, 5))
		begin_flush(sender);
	else if (rng_percent(&driver->rng, 10))
		upload_nudge(sender->upload);
	else if (driver->rules.keys && rng_percent(&driver->rng, 3))
		sender_drop(sender); /* the client is gone; it comes back */
	return sender->at > before || sender->flushing;
}

bool sender_step(struct sender *sender, struct job *job)
{
	if (sender->finished)
		return false;
	if (sender->broken && !sender->flushing) {
		break_off(sender);
		return true;
	}
	if (sender->upload == NULL)
		return open_upload(sender, job);
	if (sender->flushing) {
		if (!sender->flushed)
			return false;
		end_flush(sender);
		return true;
	}
	return !sender->waits && send_some(sender);
}
