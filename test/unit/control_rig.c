/* SPDX-License-Identifier: BSD-2-Clause */
#include "control_rig.h"

#include <stdio.h>

struct control_rig rig;

static json_t *
status(void)
{
    json_t *answer = json_pack("{ss, sb, si, ss}", "status", "running", "running", true,
                               "resets", 0, "heartbeat", "none");
    char *text = rig.answer_len ? calloc(1, rig.answer_len + 1) : NULL;

    if (text) {
        memset(text, 'x', rig.answer_len);
        json_object_set_new(answer, "text", json_string(text));
        free(text);
    }
    return answer;
}

static int
run(void *ctx, enum enlm_control_verb verb, const json_t *arguments, json_t **out,
    char why[ENLM_CONTROL_WHY])
{
    (void)ctx;
    rig.runs[verb]++;
    json_decref(rig.arguments);
    rig.arguments = json_deep_copy(arguments);
    if (rig.error) {
        snprintf(why, ENLM_CONTROL_WHY, "%s", rig.why ? rig.why : "the rig says no");
        return rig.error;
    }
    if (verb == ENLM_CONTROL_QUERY_STATUS)
        *out = status();
    return 0;
}

static void
wake(void *ctx)
{
    (void)ctx;
    __atomic_fetch_add(&rig.wakes, 1, __ATOMIC_SEQ_CST);
}

const struct enlm_control_ops rig_ops = {run, wake};

void
rig_forget(void)
{
    json_decref(rig.arguments);
    memset(&rig, 0, sizeof(rig));
}

json_t *
rig_parse(const char *line)
{
    json_t *object;

    assert_non_null(line);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    object = json_loads(line, 0, NULL);
    assert_non_null(object);
    return object;
}
