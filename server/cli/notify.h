/*
 * notify: tell whoever started us how far we are (sd_notify(3): a datagram to NOTIFY_SOCKET).
 *
 * Nothing where nobody asked. What cannot be sent is not missed: the work goes on.
 *
 * Thread: any.
 */
#ifndef LEAT_CLI_NOTIFY_H
#define LEAT_CLI_NOTIFY_H

void notify_ready(void); /* also when a reload is over */
void notify_reloading(void);
void notify_stopping(void);

#endif
