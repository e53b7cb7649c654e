/* What the tests use of node, so that its types need not be installed. */
declare module "node:test" {
  export function test(name: string, run: () => void | Promise<void>): Promise<void>;
}
declare module "node:assert/strict" {
  interface Assert {
    equal(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    ok(value: unknown, message?: string): void;
    throws(run: () => unknown): void;
    rejects(run: () => Promise<unknown>): Promise<void>;
  }
  const assert: Assert;
  export default assert;
}
