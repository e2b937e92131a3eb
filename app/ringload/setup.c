// SPDX-License-Identifier: BSD-3-Clause
// From options to a workload: keys, values, distribution, one generator a thread

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load/udp.h"
#include "ringload.h"

#define TCP_VALUE_MAX 1000000 // memcached's items of 1 MB hold their head as well
#define IP4_UDP_LEN 28
#define PLACES_MAX (16u << 20)
#define FEW_CPUS 4 // a spinning lcore takes too much of so few

uint32_t run_share(uint32_t total, unsigned idx, unsigned count)
{
	return total / count + (idx < total % count);
}

uint32_t run_datagram_max(const struct run *run)
{
	return (uint32_t)run->opt.mtu - IP4_UDP_LEN;
}

// Open loop: what a silent server leaves open until the timeout. Closed loop: the many that are
// answered while a few wait for theirs.
uint32_t udp_places(const struct run *run)
{
	const struct options *o = &run->opt;
	double per_thread = o->rate_pps / o->threads * o->timeout_ms / 1000 * 1.5 + 1024;
	uint32_t closed = run_share(o->outstanding, 0, o->threads) * 4 + 65536;

	if (!(o->rate_pps > 0))
		return closed;
	return per_thread < PLACES_MAX ? (uint32_t)per_thread : PLACES_MAX;
}

static int setup_keys(struct run *run, char *err)
{
	struct options *o = &run->opt;
	uint32_t count = o->keys;
	int rc;

	if (o->trace_lines) {
		rc = keyspace_read_lines(
			&run->w.keys, o->trace_lines, &run->trace, &o->dist.trace_len, err);
	} else {
		rc = o->trace_ids ? keyspace_read_ids(o->trace_ids, &run->trace, &o->dist.trace_len,
					    &count, err)
				  : 0;
		rc = rc ? rc : keyspace_make(&run->w.keys, count, o->key_size, err);
	}
	o->dist.trace = run->trace;
	o->dist.count = run->w.keys.count;
	o->keys = run->w.keys.count;
	return rc ? rc : dist_init(&run->w.dist, &o->dist, err);
}

static int setup_values(struct run *run, char *err)
{
	struct options *o = &run->opt;
	uint32_t max = o->value_max, fits = TCP_VALUE_MAX, get;
	bool sets = o->preload || o->set_part > 0;
	int rc;

	if (!engine_is_tcp(o->engine) && sets)
		fits = run_datagram_max(run) - UDP_CLIENT_FRAME_LEN -
		       (WORKLOAD_SET_OVERHEAD - KEYSPACE_KEY_MAX + run->w.keys.longest);
	if (max > fits) {
		snprintf(err, RINGLOAD_ERR_SIZE,
			"--value-max %u: a set of more than %u bytes does not fit", max, fits);
		return -1;
	}
	rc = sizes_parse(&run->w.values, o->value_size, 0, max ? max : fits, err);
	if (rc)
		return rc;
	if (run->w.values.cut)
		fprintf(stderr, "ringload: %.2f %% of the values are cut to %u bytes\n",
			100.0 * run->w.values.cut / SIZES_STEPS, run->w.values.largest);
	get = 3 + o->multiget * (1 + run->w.keys.longest) + 2 + UDP_CLIENT_FRAME_LEN;
	if (!engine_is_tcp(o->engine) && get > run_datagram_max(run)) {
		snprintf(err, RINGLOAD_ERR_SIZE,
			"a get of %u keys takes %u bytes, a datagram %u: lower --multiget",
			o->multiget, get, run_datagram_max(run));
		return -1;
	}
	return 0;
}

static void choose_idle(struct run *run)
{
	struct options *o = &run->opt;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	run->sleeps = !engine_is_dpdk(o->engine) || o->idle == IDLE_SLEEP ||
		      (o->idle == IDLE_AUTO &&
			      (cpus < FEW_CPUS || (unsigned long)cpus < o->threads + 1UL));
	if (!(o->late_us > 0))
		o->late_us = run->sleeps ? 1000 : 100;
}

int run_setup(struct run *run, char err[RINGLOAD_ERR_SIZE])
{
	static const struct engine *const engines[] = {
		[ENGINE_DPDK_UDP] = &engine_dpdk_udp,
		[ENGINE_DPDK_TCP] = &engine_dpdk_tcp,
		[ENGINE_KERNEL_UDP] = &engine_kernel_udp,
		[ENGINE_KERNEL_TCP] = &engine_kernel_tcp,
	};
	struct options *o = &run->opt;

	run->engine = engines[o->engine];
	choose_idle(run);
	if (setup_keys(run, err) || setup_values(run, err))
		return -1;
	run->w.set_share = o->set_part / (o->get_part + o->set_part);
	run->w.multiget = (uint16_t)o->multiget;
	run->w.verify = o->verify;
	workload_finish(&run->w);
	run->total = tally_create();
	for (unsigned i = 0; i < o->threads; i++) {
		run->thread[i].run = run;
		run->thread[i].idx = i;
		if (gen_init(&run->thread[i].gen, &run->w, o->seed, i, o->threads) || !run->total) {
			snprintf(err, RINGLOAD_ERR_SIZE, "out of memory");
			return -1;
		}
	}
	return 0;
}

void run_free(struct run *run)
{
	for (unsigned i = 0; i < run->opt.threads; i++)
		gen_free(&run->thread[i].gen);
	free(run->total);
	keyspace_free(&run->w.keys);
	free(run->trace);
}
