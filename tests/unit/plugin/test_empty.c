#include <criterion/criterion.h>

#include "plugin/registry.h"

Test(registry, a_program_without_stages_has_none)
{
	struct registry *registry;
	struct error err;
	json_t *refused;

	cr_assert(registry_new(&registry, &err) == 0);
	cr_expect(registry_count(registry) == 0);
	cr_expect(registry_find(registry, "pass") == NULL);
	refused = registry_refused(registry);
	cr_expect(json_array_size(refused) == 0);
	json_decref(refused);
	registry_free(registry);
}
