// SPDX-License-Identifier: Apache-2.0
// The official client, driven by a script: reads steps as JSON from standard input, one in each line, and answers each in one.
//     {"do": "connect", "command": …, "args": […]}      starts the server, initializes, lists the tools
//     {"do": "call", "name": …, "arguments": {…}, "timeout": ms, "cancelAfter": ms}
//     {"do": "request", "method": "listTools" | "listResources" | "ping" | …, "params": …}
//     {"do": "close"}
// The client checks every structuredContent against the tool's outputSchema, and a call fails where it does not fit.
import readline from "node:readline";
import { pathToFileURL } from "node:url";

const sdk = `${process.env.SLIPWAY_MCP_CLIENT}/node_modules/@modelcontextprotocol/sdk/dist/esm`;
const load = (file) => import(pathToFileURL(`${sdk}/${file}`).href);
const { Client } = await load("client/index.js");
const { StdioClientTransport } = await load("client/stdio.js");
const { LoggingMessageNotificationSchema } = await load("types.js");

const client = new Client({ name: "slipway-tests", version: "1" });
let transport;
const errors = [];
const logs = [];
client.onerror = (error) => errors.push(String(error));

const steps = {
    async connect({ command, args, env }) {
        transport = new StdioClientTransport({ command, args, env, stderr: "pipe" });
        client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => logs.push(params));
        let revision = null;
        transport.setProtocolVersion = (version) => (revision = version);
        await client.connect(transport);
        const { tools } = await client.listTools();
        return {
            pid: transport.pid,
            version: client.getServerVersion(),
            capabilities: client.getServerCapabilities(),
            revision,
            instructions: client.getInstructions(),
            tools,
        };
    },
    async call({ name, arguments: given, timeout, cancelAfter }) {
        const progress = [];
        const abort = new AbortController();
        if (cancelAfter != null) setTimeout(() => abort.abort("enough"), cancelAfter);
        const result = await client.callTool({ name, arguments: given }, undefined, {
            timeout: timeout ?? 60000,
            signal: abort.signal,
            resetTimeoutOnProgress: true,
            onprogress: (each) => progress.push(each),
        });
        return { ...result, progress };
    },
    async request({ method, params }) {
        return await client[method](params);
    },
    async state() {
        return { errors, logs };
    },
    async close() {
        await client.close();
        return {};
    },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
    const step = JSON.parse(line);
    let answer;
    try {
        answer = { ok: await steps[step.do](step) };
    } catch (error) {
        answer = { error: String(error.message ?? error), code: error.code ?? null };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
}
