/*
 * new_stage: the texts that `leat new-stage` writes, from stages/template/.
 *
 * @NAME@ stands for the stage's name, @ID@ for the same as a C identifier; NAME in a file's
 * name as well.
 */
#ifndef LEAT_CLI_NEW_STAGE_H
#define LEAT_CLI_NEW_STAGE_H

struct embedded_text {
	const char *name, *text;
};

extern const struct embedded_text new_stage_texts[];

#endif
