// Statuses that are documented and that no test here can be sure to reach, each with its reason.
const RULES = [
	{
		status: "408",
		but: ["createJob", "uploadItems", "runOnce"],
		why: "a body that comes too slowly, the same for all: tests/api/test_bounds.py",
	},
	{
		status: "429",
		but: ["uploadItems", "putItems"],
		why: "too many requests, the same for all: tests/api/test_bounds.py",
	},
	{
		status: "503",
		but: ["createJob", "uploadItems", "getReadiness"],
		why: "without memory for the reply, which takes one allocation of thousands to fail: tests/fault/test_memory.py reaches " +
			"others each time, and what it hears is checked too",
	},
	{
		status: "507",
		but: [],
		why: "a full disk: tests/fault/test_disk.py and test_io.py reach it where they can mount one",
	},
];

export const exempt = (operation, status) => RULES.some((rule) => rule.status === status && !rule.but.includes(operation.id));
