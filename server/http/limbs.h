/*
 * limbs: where the numbers of TLS get their memory.
 *
 * Under GnuTLS and nettle GMP computes, and GMP ends the process where malloc() gives it
 * nothing (GMP manual, "Custom Allocation": the functions given must never return NULL). A
 * handshake must not be able to end a server that is short of memory, so its numbers come from
 * base/reserve.h; when that is used up the process ends, with words.
 *
 * Thread: one, before others compute. Numbers that were made before stay good.
 */
#ifndef LEAT_HTTP_LIMBS_H
#define LEAT_HTTP_LIMBS_H

void limbs_init(void);

#endif
