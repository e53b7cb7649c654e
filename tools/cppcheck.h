/* Macros of libraries that cppcheck, which does not read system headers, takes for mistakes. */
#define TestSuite(...)
#define Test(suite, name, ...) void test_##suite##_##name(void)
#define json_array_foreach(array, at, value) \
	for (at = 0; at < json_array_size(array) && (value = json_array_get(array, at)); at++)
