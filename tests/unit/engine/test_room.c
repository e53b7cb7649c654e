/* How full the ledger is: who is refused first, and which jobs outgrow what they take. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "engine/room.h"
#include "job/record.h"

#define MIB (1ull << 20)

static struct room room_with(uint64_t used)
{
	return (struct room){ .max = 160 * MIB, .reserve = 16 * MIB, .used = used };
}

/* The most bytes at which `what` is still let in. */
static uint64_t most(enum room_for what)
{
	uint64_t used = 0;

	for (uint64_t step = 256 * MIB; step > 0; step /= 2) {
		struct room room = room_with(used + step);

		if (!room_lacks(&room, what, 0))
			used += step;
	}
	return used;
}

Test(room, new_work_is_refused_first_and_what_removes_last)
{
	cr_assert(eq(u64, most(ROOM_NEW), 144 * MIB - 1));
	cr_assert(gt(u64, most(ROOM_UNDER_WAY), most(ROOM_NEW)));
	cr_assert(gt(u64, most(ROOM_OUTGROWING), most(ROOM_UNDER_WAY)));
	cr_assert(gt(u64, most(ROOM_OUTGROWING_RESULTS), most(ROOM_OUTGROWING)));
	cr_assert(gt(u64, most(ROOM_LASTING), most(ROOM_OUTGROWING_RESULTS)));
	cr_assert(gt(u64, most(ROOM_LASTING_RESULTS), most(ROOM_LASTING)));
	cr_assert(lt(u64, most(ROOM_LASTING_RESULTS), 160 * MIB));
}

Test(room, what_is_to_be_written_counts_before_it_is)
{
	struct room room = room_with(140 * MIB);

	cr_assert(not(room_lacks(&room, ROOM_NEW, 3 * MIB)));
	cr_assert(room_lacks(&room, ROOM_NEW, 4 * MIB));
}

/* Each item that waits will leave the number of its result: new ones must leave that free. */
Test(room, what_is_owed_to_waiting_items_is_not_given_to_new_ones)
{
	struct room room = room_with(140 * MIB);

	room.owed = 3 * MIB;
	cr_assert(not(room_lacks(&room, ROOM_NEW, 0)));
	room.owed_since = MIB;
	cr_assert(room_lacks(&room, ROOM_NEW, 0));
	cr_assert(not(room_lacks(&room, ROOM_UNDER_WAY, 0)));
}

Test(room, without_a_bound_there_always_is)
{
	struct room room = { .max = 0, .used = UINT64_MAX / 2 };

	for (enum room_for what = ROOM_NEW; what <= ROOM_LASTING_RESULTS; what++)
		cr_assert(not(room_lacks(&room, what, UINT64_MAX / 4)));
}

Test(room, the_refusal_says_what_is_kept_and_what_to_do)
{
	struct room room = room_with(150 * MIB);
	struct error err;

	cr_assert(eq(int, room_error(&room, &err), -1));
	cr_assert(eq(int, (int)err.code, (int)ERR_DISK_FULL));
	cr_assert(ne(ptr, strstr(err.text, "map-size"), NULL));
	cr_assert(ne(ptr, strstr(err.text, "157286400 of 167772160"), NULL), "%s", err.text);
}

Test(room, who_leaves_more_than_he_takes_outgrows)
{
	struct job_record record = { .received = 1000, .bytes = 100000, .succeeded = 500 };

	record.result_bytes = 50000;
	cr_assert(not(room_outgrows(&record, 0, 0)), "as much as came in");
	record.result_bytes = 500000;
	cr_assert(room_outgrows(&record, 0, 0), "ten times as much");
	record.result_bytes = 50000;
	cr_assert(not(room_outgrows(&record, 1000, 10)), "ten more items as they came");
	cr_assert(room_outgrows(&record, 100000, 10), "ten more, and each a large one");
	record.failure_bytes = 500000;
	cr_assert(room_outgrows(&record, 0, 0), "failures lie there too");
}
