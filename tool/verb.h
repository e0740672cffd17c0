/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/verb.h - the verbs of the enlight command, one file each
 *
 * A verb takes its own words (argv[0] is the verb) and returns the exit status.
 */
#ifndef ENLIGHT_TOOL_VERB_H
#define ENLIGHT_TOOL_VERB_H

struct enlt_option;

/* Boot a guest. */
int enlt_run(int argc, char **argv);
extern const struct enlt_option enlt_run_options[];

/* Carry a socket's clients over one stream, for the scripts of the nested machine. */
int enlt_relay(int argc, char **argv);

/* Ask a machine that runs. */
int enlt_ctl(int argc, char **argv);

/* Does a kernel run on Hyper-V devices alone? */
int enlt_check(int argc, char **argv);
extern const struct enlt_option enlt_check_options[];

/* Make a disk's image out of its trace, as a power loss would have left it. */
int enlt_replay(int argc, char **argv);
extern const struct enlt_option enlt_replay_options[];

#endif
