/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hyperv.c - VMBus for tinyvm, by libenlight-host and libenlight-kvm
 *
 * Style: tinyvm's own, see tinyvm.h. README.md says what each call is for.
 */
#include "tinyvm.h"

#include <err.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include <enlight/host/ic.h>
#include <enlight/host/storage.h>
#include <enlight/host/vmbus.h>
#include <enlight/kvm/engine.h>

#define DISK_SIZE	(32 << 20)
#define WORKERS		8

struct enlk_engine *engine;
static struct enlh_partition *partition;
static struct enlh_vmbus *bus;
static struct enlh_heartbeat *heartbeat;
static int bell;	/* eventfd: the bus has work for hvLoop() */

/* ---- a RAM disk: submit() does it, reap() tells it ---- */

static uint8_t *diskBytes;

struct enlh_block_queue {	/* the library has only the name of this */
	const struct enlh_partition *guest;
	struct enlh_wake wake;
	uint64_t begun, told;
	uint32_t depth;
	struct { struct enlh_block_request *request; int result; } slot[];
};

static void diskInfo(void *backend, struct enlh_block_info *out)
{
	*out = (struct enlh_block_info){ .size = DISK_SIZE, .block_size = 512,
		.physical_block_size = 512, .discards = 1 };
}

static int diskOpen(void *backend, const struct enlh_partition *guest, uint32_t depth,
	const struct enlh_wake *wake, struct enlh_block_queue **out)
{
	struct enlh_block_queue *q = calloc(1, sizeof *q + depth * sizeof q->slot[0]);

	if (!q)
		return -ENL_E_NOMEM;
	*q = (struct enlh_block_queue){ guest, *wake, 0, 0, depth };
	*out = q;
	return 0;
}

static void diskClose(void *backend, struct enlh_block_queue *q)
{
	free(q);
}

static int transfer(struct enlh_block_queue *q, struct enlh_block_request *r)
{
	uint8_t *at = diskBytes + r->offset;

	if (r->offset > DISK_SIZE || r->len > DISK_SIZE - r->offset)
		return -ENL_E_INVAL;
	if (r->op == ENLH_BLOCK_DISCARD || r->op == ENLH_BLOCK_ZERO)
		memset(at, 0, r->len);
	for (uint32_t i = 0; r->op <= ENLH_BLOCK_WRITE && i < r->span_count; i++) {
		void *guest = enlh_mem_span_host(q->guest, &r->spans[i]);
		int isRead = r->op == ENLH_BLOCK_READ;

		memcpy(isRead ? guest : at, isRead ? at : guest, r->spans[i].len);
		at += r->spans[i].len;
	}
	return 0;
}

static int diskSubmit(struct enlh_block_queue *q, struct enlh_block_request *r)
{
	if (q->begun - q->told == q->depth)
		return -ENL_E_AGAIN;
	q->slot[q->begun % q->depth].request = r;
	q->slot[q->begun++ % q->depth].result = transfer(q, r);
	return 0;
}

static void diskKick(struct enlh_block_queue *q)
{
	if (q->told != q->begun)
		q->wake.fn(q->wake.ctx);
}

static uint32_t diskReap(struct enlh_block_queue *q)
{
	uint32_t count = (uint32_t)(q->begun - q->told);	/* done() may submit more */

	for (uint32_t i = 0; i < count; i++) {
		uint64_t at = q->told++ % q->depth;

		q->slot[at].request->done(q->slot[at].request, q->slot[at].result);
	}
	return count;
}

static const struct enlh_block_ops diskOps = { .size = sizeof diskOps, .info = diskInfo, .queue_open = diskOpen,
	.queue_close = diskClose, .submit = diskSubmit, .kick = diskKick, .reap = diskReap };

/* ---- a thread for each open channel ---- */

/* Slots are used again and their eventfds stay open: a late wake does no harm. */
static struct worker {
	int fd, taken;
	atomic_int stop;
	pthread_t thread;
	struct enlh_channel *channel;
} workers[WORKERS];

static void *workerMain(void *arg)
{
	struct worker *w = arg;
	eventfd_t count;

	while (!atomic_load(&w->stop)) {
		enum enlh_run state = enlh_channel_run(w->channel);

		if (state == ENLH_RUN_STOPPED)
			break;
		if (state == ENLH_RUN_IDLE && eventfd_read(w->fd, &count) < 0)
			err(1, "eventfd");
	}
	return NULL;
}

static int channelStart(void *ctx, struct enlh_channel *channel, uint32_t connection)
{
	struct worker *w = workers;

	while (w->taken)
		if (++w == workers + WORKERS)
			return -ENL_E_NOMEM;
	w->channel = channel;
	enlh_channel_set_worker(channel, w);	/* first: the thread may wake itself */
	atomic_store(&w->stop, 0);
	if (pthread_create(&w->thread, NULL, workerMain, w))
		return -ENL_E_NOMEM;
	w->taken = 1;
	/* Without a doorbell the guest's signals come by channelWake(), only slower. */
	if (enlk_doorbell_add(engine, connection, w->fd))
		printf("tinyvm: no doorbell for %s\n", enlh_channel_name(channel));
	return 0;
}

static void channelStop(void *ctx, struct enlh_channel *channel, uint32_t connection)
{
	struct worker *w = enlh_channel_worker(channel);

	enlk_doorbell_remove(engine, connection, w->fd);
	atomic_store(&w->stop, 1);
	eventfd_write(w->fd, 1);
	pthread_join(w->thread, NULL);
	enlh_channel_set_worker(channel, NULL);
	w->taken = 0;
}

static void channelWake(void *ctx, struct enlh_channel *channel)
{
	struct worker *w = enlh_channel_worker(channel);

	if (w)
		eventfd_write(w->fd, 1);
}

static void loopWake(void *ctx)
{
	eventfd_write(bell, 1);
}

static const struct enlh_vmbus_ops busOps = { .size = sizeof busOps, .loop_wake = loopWake,
	.channel_start = channelStart, .channel_stop = channelStop, .channel_wake = channelWake };

/* ---- what we are told ---- */

static void onKick(void *ctx, uint32_t vp)
{
	kickCpu();
}

static void onEvent(void *ctx, const struct enlh_event *event)
{
	printf("\ntinyvm: the guest %s\n", event->kind == ENLH_EVENT_CRASH ? "crashed" : "resets");
	exit(event->kind == ENLH_EVENT_CRASH);
}

static void onLog(void *ctx, enum enlh_log_level level, const char *text)
{
	if (level <= ENLH_LOG_INFO)
		printf("tinyvm: %s\n", text);
}

static void onHeartbeat(void *ctx, enum enlh_ic_event event, uint32_t framework, uint32_t version,
	uint32_t status)
{
	if (event == ENLH_IC_ALIVE || event == ENLH_IC_LOST)
		printf("tinyvm: heartbeat: %s\n", event == ENLH_IC_ALIVE ? "alive" : "lost");
}

/* ---- the setup, in the order of enlight/kvm/engine.h ---- */

static void setupDevices(void)
{
	struct enlh_ic_config icConfig = { .size = sizeof icConfig, .event = onHeartbeat };
	struct enlh_storage_config scsiConfig = { .size = sizeof scsiConfig, .name = "scsi0",
		.instance = { { 't', 'i', 'n', 'y', 'v', 'm' } } };
	struct enlh_disk disk = { .block = { &diskOps, NULL }, .vendor = "tinyvm",
		.product = "RAM disk", .revision = "1", .serial = "1" };
	struct enlh_vmbus_config busConfig;
	struct enlh_storage *scsi;

	if (!(diskBytes = calloc(1, DISK_SIZE)))
		errx(1, "no memory for the disk");
	strcpy((char *)diskBytes, "Greetings from the RAM disk of tinyvm.\n");
	bell = eventfd(0, EFD_CLOEXEC);
	for (int i = 0; i < WORKERS; i++)
		workers[i].fd = eventfd(0, EFD_CLOEXEC);
	enlh_vmbus_config_defaults(&busConfig);
	if (enlh_vmbus_create(partition, &busConfig, &busOps, NULL, &bus) ||
	    enlh_heartbeat_create(bus, &icConfig, &heartbeat) ||
	    enlh_storage_create(bus, &scsiConfig, &scsi) ||
	    enlh_storage_attach(scsi, &disk))
		errx(1, "no devices");
}

void hvSetup(int userEngine)
{
	const struct enlk_callbacks callbacks = { sizeof callbacks, onKick, onEvent, onLog };
	struct enlk_config engineConfig;
	struct enlh_config config;
	struct enlk_caps caps;
	enum enlk_kind kind = userEngine ? ENLK_USER : ENLK_KERNEL;

	enlk_caps_probe(m.kvm, m.vm, &caps);
	if (enlk_caps_missing(&caps, kind))
		errx(1, "this KVM has no %s", enlk_caps_missing(&caps, kind));
	printf("tinyvm: the %s engine\n", kind == ENLK_USER ? "user" : "kernel");
	enlk_config_defaults(&engineConfig);
	engineConfig.kind = kind;
	engineConfig.vm_fd = m.vm;
	engineConfig.vp_count = 1;
	enlh_config_defaults(&config);
	if (enlk_engine_create(&engineConfig, &caps, &callbacks, NULL, &engine) ||
	    enlk_vcpu_add(engine, 0, m.cpu, m.run) ||
	    enlh_features_preset("linux", &config.features))
		errx(1, "no engine");
	config.features.set &= enlk_caps_features(&caps, kind) & ~enlk_caps_costly(&caps, kind);
	enlk_engine_complete(engine, &config);
	if (enlh_partition_create(&config, enlk_engine_ops(engine), engine, &partition) ||
	    enlh_mem_add(partition, (enl_gpa){ 0 }, m.ram, RAM_SIZE) < 0 ||
	    enlk_engine_start(engine, partition))
		errx(1, "no partition");
	setupDevices();
}

/* The main thread ends up here: bus, engine, and a heartbeat every two seconds. */
void hvLoop(void)
{
	struct pollfd fds[] = { { bell, POLLIN, 0 }, { enlk_engine_fd(engine), POLLIN, 0 } };
	eventfd_t count;
	time_t next = 0;

	for (;;) {
		if (poll(fds, 2, 500) > 0 && fds[0].revents && !eventfd_read(bell, &count) &&
		    enlh_vmbus_poll(bus))
			eventfd_write(bell, 1);
		if (fds[1].revents)
			enlk_engine_dispatch(engine);
		if (time(NULL) >= next) {
			next = time(NULL) + 2;
			enlh_heartbeat_tick(heartbeat);
		}
	}
}
