#ifndef COMMANDS_H
#define COMMANDS_H

#ifdef __cplusplus
extern "C" {
#endif

/* Answers the host's requests for ever: HELLO, INFER, MEASURE, TRACE. */
void commands_run(void);

#ifdef __cplusplus
}
#endif

#endif
