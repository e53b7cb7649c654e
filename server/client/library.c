#include "client/library.h"

#include <curl/curl.h>

#include "base/reserve.h"

int library_init(struct error *err)
{
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, reserve_alloc, reserve_free,
		    reserve_realloc, reserve_strdup, reserve_zalloc) != CURLE_OK)
		return error_no_memory(err);
	return 0;
}
