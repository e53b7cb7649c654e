#include "base/role.h"

#include <pthread.h>

_Thread_local enum role role_current;

static const char *const names[] = {
	[ROLE_NONE] = "leat",
	[ROLE_LOOP] = "leat-loop",
	[ROLE_COMPUTE] = "leat-compute",
	[ROLE_BLOCKING] = "leat-block",
	[ROLE_COMMIT] = "leat-commit",
	[ROLE_READER] = "leat-reader",
};

void role_enter(enum role role)
{
	role_current = role;
	pthread_setname_np(pthread_self(), names[role]);
}
