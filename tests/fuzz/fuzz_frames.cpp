// SPDX-License-Identifier: Apache-2.0
// The session protocol: bytes in pieces of any size, then the payloads of the frames.
#include "base/json.hpp"
#include "fuzz_text.hpp"
#include "image/attach.hpp"
#include "session/frame.hpp"
#include "session/wire.hpp"

using namespace slipway;

namespace {

void read_payload(const session::Frame& frame) {
    switch (frame.type) {
    case session::FrameType::Data:
        (void)session::decode_data(frame.payload);
        break;
    case session::FrameType::Credit:
        (void)session::decode_credit(frame.payload);
        break;
    default:
        if (auto json = session::from_wire(frame.payload, "fuzz")) {
            (void)error_from_json(*json);
            (void)report::inventory_from_json(*json);
            (void)report::policy_from_json(*json);
            (void)image::disk_spec_from_json(*json);
        }
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    auto bytes = fuzz::text_of(data + 1, size - 1);
    auto piece = static_cast<std::size_t>(data[0]) + 1;
    session::FrameDecoder decoder;
    while (!bytes.empty()) {
        decoder.feed(bytes.substr(0, piece));
        bytes.remove_prefix(std::min(piece, bytes.size()));
        while (true) {
            auto frame = decoder.next();
            if (!frame)
                return 0;
            if (!*frame)
                break;
            session::FrameDecoder again;
            again.feed(session::encode(**frame));
            auto same = again.next();
            fuzz::must(same && *same && (*same)->payload == (*frame)->payload &&
                       (*same)->id == (*frame)->id);
            read_payload(**frame);
        }
    }
    return 0;
}
