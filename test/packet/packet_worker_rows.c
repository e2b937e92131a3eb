// SPDX-License-Identifier: BSD-3-Clause
// Each row of test/packet/rows: packets in, packets out, and the counters that must have moved
//
//   rows/NAME/in.txt    what comes in (test/support/pktscript.h), or in.pcap
//   rows/NAME/out.txt   what must go out, as text
//   rows/NAME/counters  every counter that must have moved, and no other has
//   rows/NAME/conf      how this worker differs from test/support/workerrig.c (may be missing)
//   rows/NAME/WHY       what the row is for, with the RFC section
//
//   ROW=NAME            only this row
//   REGEN=1             write out.txt and counters as they are now, and show what changed
//   DUMP=DIR            write each row's frames into DIR, as seeds of fuzz_worker_frames
//
// support: eal workerrig pktscript pktscript_words pktscript_tcp rowconf

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "pcap/pcapf.h"
#include "pcap/pkttext.h"
#include "pcap/textdiff.h"
#include "support/pktscript.h"
#include "support/rowconf.h"
#include "support/workerrig.h"

#define ROWS "test/packet/rows"
#define ROWS_MAX 512

struct run {
	struct workerrig rig;
	struct rowconf conf;
	struct pkttext *text;
	struct textdiff_lines out;
	FILE *dump; // NULL: none wanted
	uint64_t dumped_us;
	unsigned burst_count;
	struct rte_mbuf *burst[WORKER_BURST_MAX];
};

static char *row_path(const char *row, const char *file)
{
	static char path[512];

	snprintf(path, sizeof(path), ROWS "/%s/%s", row, file);
	return path;
}

static void add_line(struct textdiff_lines *l, const char *line)
{
	assert_true(textdiff_add(l, line));
}

static void on_tx(void *arg, const uint8_t *frame, uint32_t len)
{
	struct run *run = arg;
	uint64_t us = run->rig.now_us - WORKERRIG_START_US;
	char line[64 + PKTTEXT_LINE_SIZE];
	int n = snprintf(
		line, sizeof(line), "%" PRIu64 ".%06" PRIu64 " ", us / 1000000, us % 1000000);

	pkttext_frame(run->text, frame, len, len, line + n);
	add_line(&run->out, line);
}

static void flush_burst(struct run *run)
{
	if (run->burst_count > 0)
		workerrig_input(&run->rig, run->burst, run->burst_count);
	run->burst_count = 0;
	workerrig_check(&run->rig);
}

// The record of fuzz_worker_frames: kind, microseconds since the one before, length,
// frame. An acknowledgment number is written relative to the server's, which the fuzz
// target adds again, so that a change of the times does not make all of them wrong.
static void dump_frame(struct run *run, const uint8_t *frame, size_t len)
{
	uint8_t head[7] = {run->burst_count > 0 ? 2 : 0}, copy[PKTSCRIPT_FRAME_MAX];
	uint32_t delta_us = (uint32_t)(run->rig.now_us - run->dumped_us), isn, ts;
	const uint8_t *ip = copy + 14;

	memcpy(copy, frame, len);
	if (len >= 54 && load_be16(copy + 12) == 0x0800 && ip[0] == 0x45 && ip[9] == 6 &&
		(copy[47] & 0x10) &&
		pkttext_flow(run->text, load_be32(ip + 16), load_be16(ip + 22), load_be32(ip + 12),
			load_be16(ip + 20), &isn, &ts)) {
		head[0] |= 4;
		store_be32(copy + 42, load_be32(copy + 42) - isn);
	}
	store_be32(head + 1, delta_us);
	store_be16(head + 5, (uint16_t)len);
	run->dumped_us = run->rig.now_us;
	assert_int_equal(fwrite(head, sizeof(head), 1, run->dump), 1);
	assert_int_equal(fwrite(copy, 1, len, run->dump), len);
}

static FILE *dump_open(const char *row)
{
	char path[512];
	FILE *f;

	if (!getenv("DUMP"))
		return NULL;
	snprintf(path, sizeof(path), "%s/%s", getenv("DUMP"), row);
	f = fopen(path, "wb");
	assert_non_null(f);
	return f;
}

static void put_frame(struct run *run, const uint8_t *frame, size_t len)
{
	struct rte_mbuf *m = workerrig_mbuf(frame, len);
	char line[PKTTEXT_LINE_SIZE];

	assert_non_null(m);
	if (run->dump)
		dump_frame(run, frame, len);
	pkttext_frame(run->text, frame, len, (uint32_t)len, line);
	run->burst[run->burst_count++] = m;
	if (run->burst_count == WORKER_BURST_MAX)
		flush_burst(run);
}

static void play_script(struct run *run, const char *row, FILE *f)
{
	struct pktscript script = {.text = run->text};
	size_t size = 0, number = 0;
	char *line = NULL;

	while (getline(&line, &size, f) >= 0) {
		int rc;

		number++;
		// What a line is relative to must have been heard: run what came before.
		if (!strstr(line, "&") || line[strspn(line, " \t")] != '&')
			flush_burst(run);
		rc = pktscript_line(&script, line);
		if (rc < 0)
			fail_msg("%s:%zu: %s", row_path(row, "in.txt"), number, script.err);
		if (rc == 0)
			continue;
		if (!script.joins)
			workerrig_advance(&run->rig, WORKERRIG_START_US + script.at_us);
		if (script.frame_len)
			put_frame(run, script.frame, script.frame_len);
	}
	flush_burst(run);
	free(line);
}

static void play_pcap(struct run *run, struct pcapf_reader *in)
{
	struct pcapf_pkt pkt;
	struct pcapf_err err;
	uint64_t first_ns = 0, last_us = 0;
	int rc;

	for (bool first = true; (rc = pcapf_next(in, &pkt, &err)) == 1; first = false) {
		if (first)
			first_ns = pkt.ts_ns;
		if (first || (pkt.ts_ns - first_ns) / 1000 != last_us)
			flush_burst(run);
		last_us = (pkt.ts_ns - first_ns) / 1000;
		workerrig_advance(&run->rig, WORKERRIG_START_US + last_us);
		put_frame(run, pkt.data, pkt.len);
	}
	if (rc != 0)
		fail_msg("%s", err.text);
	flush_burst(run);
}

static void play(struct run *run, const char *row)
{
	FILE *f = fopen(row_path(row, "in.txt"), "r");

	if (f) {
		play_script(run, row, f);
		fclose(f);
	} else {
		struct pcapf_err err;
		struct pcapf_reader *in = pcapf_open(row_path(row, "in.pcap"), &err);

		if (!in)
			fail_msg("no in.txt, and %s", err.text);
		play_pcap(run, in);
		pcapf_close(in);
	}
	workerrig_advance(&run->rig, run->rig.now_us + run->conf.linger_us);
	workerrig_check(&run->rig);
}

static void counters_read(struct run *run, struct textdiff_lines *l)
{
	char *text = NULL, *save = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	workerrig_print_counters(&run->rig, f);
	fclose(f);
	for (char *s = strtok_r(text, "\n", &save); s; s = strtok_r(NULL, "\n", &save))
		add_line(l, s);
	free(text);
}

static void file_read(const char *path, struct textdiff_lines *l)
{
	FILE *f = fopen(path, "r");
	size_t size = 0;
	char *line = NULL;

	while (f && getline(&line, &size, f) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		add_line(l, line);
	}
	free(line);
	if (f)
		fclose(f);
}

static void file_write(const char *path, const struct textdiff_lines *l)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	for (size_t i = 0; i < l->count; i++)
		fprintf(f, "%s\n", l->line[i]);
	assert_int_equal(fclose(f), 0);
}

// Compare, or with REGEN write. Returns whether they were the same.
static bool compare(const char *row, const char *file, const struct textdiff_lines *got)
{
	struct textdiff_lines want = {0};
	const char *path = row_path(row, file);
	int rc;

	file_read(path, &want);
	rc = textdiff_print(stderr, path, &want, "now", got);
	textdiff_clear(&want);
	if (rc == 0 && access(path, R_OK) == 0)
		return true;
	if (!getenv("REGEN"))
		return false;
	file_write(path, got);
	return true;
}

static void test_row(void **state)
{
	const char *row = *state;
	struct textdiff_lines counters = {0}, why = {0};
	struct run run = {0};
	bool same;

	workerrig_conf(&run.rig);
	rowconf_read(&run.conf, &run.rig, row_path(row, "conf"));
	run.rig.tx = on_tx;
	run.rig.tx_arg = &run;
	run.text = pkttext_create(&run.conf.text);
	assert_non_null(run.text);
	workerrig_open(&run.rig);
	run.dump = dump_open(row);
	run.dumped_us = run.rig.now_us;
	play(&run, row);
	if (run.dump)
		fclose(run.dump);
	counters_read(&run, &counters);
	workerrig_close(&run.rig);
	pkttext_destroy(run.text);

	same = compare(row, "out.txt", &run.out);
	same &= compare(row, "counters", &counters);
	file_read(row_path(row, "WHY"), &why);
	if (why.count == 0)
		fail_msg("%s: WHY is missing", row);
	textdiff_clear(&why);
	textdiff_clear(&run.out);
	textdiff_clear(&counters);
	if (!same)
		fail_msg("%s: not as expected", row);
}

static int is_row(const struct dirent *e)
{
	const char *only = getenv("ROW");

	return e->d_name[0] != '.' && (!only || strcmp(only, e->d_name) == 0);
}

int main(void)
{
	static struct CMUnitTest tests[ROWS_MAX];
	struct dirent **entry;
	int n = scandir(ROWS, &entry, is_row, alphasort);
	int rc;

	if (n <= 0 || n > ROWS_MAX) {
		fprintf(stderr, ROWS ": %d rows\n", n);
		return 1;
	}
	for (int i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){.name = entry[i]->d_name,
			.test_func = test_row,
			.initial_state = entry[i]->d_name};
	rc = _cmocka_run_group_tests("rows", tests, (size_t)n, NULL, NULL);
	for (int i = 0; i < n; i++)
		free(entry[i]);
	free(entry);
	return rc;
}
