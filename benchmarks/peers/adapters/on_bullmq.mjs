/**
 * BullMQ on ioredis at its defaults: at-least-once by a lock on each running job, and every finished job is
 * kept with its result, the state of each told to a stream of events. It does what driver.py does, itself:
 *
 *     node on_bullmq.mjs VERB ...           send, callers, bulk, fill, ping, stored, workers, versions
 *     node on_bullmq.mjs work CONCURRENCY   one worker process, until SIGTERM
 *
 * Its tasks are all functions on the event loop; noop and anoop are the same.
 */

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

const require = createRequire(import.meta.url); // NODE_PATH is only looked at by `require`
const { Queue, Worker } = require("bullmq");

const NAME = "bench";
const CALLERS = 100;
const WARM_UP = 20; // pings that are not counted
const PAUSE = 5; // milliseconds between a start and the next ping
const LOOK = 2;
const PATIENCE = 30; // seconds
const BATCH = 100; // jobs of one call of `addBulk`: faster than 1,000 and than all in one
const FOLDER = process.env.BENCH_TICKS ?? ".";
const FLUSH = Number(process.env.BENCH_FLUSH ?? "50"); // milliseconds that moments stay in memory
const SIZE = 8; // bytes of one

const WORK = ["node", "on_bullmq.mjs", "work", "100"];
const ALONE = ["node", "on_bullmq.mjs", "work", "1"];
const WORKERS = [
    { setting: "1 process, concurrency 100", for: ["noop", "anoop", "nap"], commands: [WORK] },
    { setting: "2 processes, concurrency 100", for: ["noop", "anoop"], commands: [WORK, WORK] },
    { setting: "1 process, concurrency 1", for: ["ping"], commands: [ALONE], env: { BENCH_FLUSH: "0" } },
];

const connection = { url: process.env.BENCH_URL };
let moments = [];

/** Return CLOCK_MONOTONIC in seconds. */
function now() {
    return Number(process.hrtime.bigint()) / 1e9;
}

/** Note that a task's code runs now. */
function tick() {
    if (moments.push(now()) === 1) {
        setTimeout(flush, FLUSH);
    }
}

/** Append the noted moments to this process's file. */
function flush() {
    const bytes = Buffer.alloc(moments.length * SIZE);
    moments.forEach((moment, number) => bytes.writeDoubleLE(moment, number * SIZE));
    moments = [];
    fs.appendFileSync(path.join(FOLDER, `${process.pid}.ticks`), bytes);
}

/** Do nothing. */
async function noop() {
    tick();
    return null;
}

/** Wait. */
async function nap() {
    tick();
    await sleep(10);
    return null;
}

const TASKS = { noop, anoop: noop, nap };

/** Run tasks until SIGTERM. */
async function work(concurrency) {
    const run = (job) => TASKS[job.name]();
    const worker = new Worker(NAME, run, { connection, concurrency: Number(concurrency) });
    worker.on("error", console.error);
    worker.on("failed", (_, error) => console.error(error));
    process.once("SIGTERM", async () => {
        await worker.close();
        process.exit();
    });
}

/** Enqueue one. */
function asend(queue, task) {
    return queue.add(task, null);
}

/** Enqueue many. */
async function sendMany(queue, task, count) {
    for (let sent = 0; sent < count; sent += BATCH) {
        const length = Math.min(BATCH, count - sent);
        await queue.addBulk(Array.from({ length }, () => ({ name: task, data: null })));
    }
}

/** Return how long something took. */
async function timed(action) {
    const started = now();
    await action();
    return { seconds: now() - started };
}

/** Enqueue one by one. */
async function send(queue, count, task = "noop") {
    return timed(async () => {
        for (let number = 0; number < Number(count); number++) {
            await asend(queue, task);
        }
    });
}

/** Enqueue from a hundred coroutines. */
async function callers(queue, count, task = "noop") {
    const each = Math.floor(Number(count) / CALLERS);
    return timed(() => Promise.all(Array.from({ length: CALLERS }, () => send(queue, each, task))));
}

/** Enqueue by the call for many. */
async function bulk(queue, count, task = "noop") {
    return timed(() => sendMany(queue, task, Number(count)));
}

/** Enqueue one at a time, each when the last one has started, and return how long each took to start. */
async function ping(queue, count, task = "noop") {
    const sent = [];
    for (let number = 1; number <= WARM_UP + Number(count); number++) {
        sent.push(now());
        await asend(queue, task);
        await waitFor(number);
        await sleep(PAUSE);
    }
    const started = allTicks();
    return { latencies: sent.map((moment, number) => started[number] - moment).slice(WARM_UP) };
}

/** Return the files of moments. */
function files() {
    const names = fs.readdirSync(FOLDER).filter((name) => name.endsWith(".ticks"));
    return names.map((name) => path.join(FOLDER, name));
}

/** Read the moments of all processes, sorted. */
function allTicks() {
    const read = files().map((file) => fs.readFileSync(file));
    const found = read.flatMap((bytes) =>
        Array.from({ length: bytes.length / SIZE }, (_, number) => bytes.readDoubleLE(number * SIZE)),
    );
    return found.sort((one, other) => one - other);
}

/** Wait until so many tasks have started. */
async function waitFor(number) {
    const deadline = now() + PATIENCE;
    do {
        if (now() > deadline) {
            throw new Error(`task ${number} did not start within ${PATIENCE} s`);
        }
        await sleep(LOOK);
    } while (files().reduce((sum, file) => sum + fs.statSync(file).size / SIZE, 0) < number);
}

/** Count the finished jobs that are kept, each with its result. */
async function stored(queue) {
    return { stored: await queue.getCompletedCount() };
}

/** Say what can be measured, and how workers are started. */
function workers() {
    return { verbs: ["bulk", "callers"], workers: WORKERS };
}

/** Return the versions that matter. */
function versions() {
    const names = ["bullmq", "ioredis"];
    const found = names.map((name) => [name, require(`${name}/package.json`).version]);
    return { ...Object.fromEntries(found), node: process.versions.node };
}

const VERBS = { send, callers, bulk, fill: bulk, ping, stored, workers, versions };

/** Run what the command line asks for. */
async function main(verb, ...words) {
    if (verb === "work") {
        return work(...words);
    }
    const queue = new Queue(NAME, { connection });
    await queue.waitUntilReady();
    const answer = await VERBS[verb](queue, ...words);
    await queue.close();
    console.log(JSON.stringify(answer));
}

await main(...process.argv.slice(2));
