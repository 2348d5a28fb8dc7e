// SPDX-License-Identifier: Apache-2.0
#include "boot/modules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::boot {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ModuleIndex, FindsByNameAndByAlias) {
    ModuleIndex index("kernel/drivers/net/virtio_net.ko: kernel/net/net_failover.ko "
                      "kernel/net/failover.ko kernel/virtio/virtio.ko\n"
                      "kernel/net/net_failover.ko: kernel/net/failover.ko\n"
                      "kernel/net/failover.ko:\nkernel/virtio/virtio.ko:\n"
                      "kernel/fs/nls/nls_iso8859-1.ko:\nkernel/a.ko:\n",
                      "# made by depmod\nalias virtio:d00000001v* virtio_net\n"
                      "alias pci:v00008086d0000100Esv*sd*bc*sc*i* e1000\n"
                      "alias fs-x a\nalias two:* a\nalias two:* nls_iso8859_1\n",
                      "kernel/drivers/e1000.ko\nkernel/virtio/virtio_pci.ko\n");
    EXPECT_THAT(index.files_for("virtio:d00000001v00001AF4"),
                ElementsAre("kernel/virtio/virtio.ko", "kernel/net/failover.ko",
                            "kernel/net/net_failover.ko", "kernel/drivers/net/virtio_net.ko"));
    EXPECT_THAT(index.files_for("virtio-net").size(), 4);
    EXPECT_THAT(index.files_for("nls_iso8859_1"), ElementsAre("kernel/fs/nls/nls_iso8859-1.ko"));
    EXPECT_THAT(index.files_for("two:x"),
                ElementsAre("kernel/a.ko", "kernel/fs/nls/nls_iso8859-1.ko"));
    EXPECT_THAT(index.files_for("pci:v00008086d0000100Esv0sd0bc0sc0i0"), IsEmpty()) << "built in";
    EXPECT_THAT(index.files_for("virtio_pci"), IsEmpty());
    EXPECT_THAT(index.files_for("usb:none"), IsEmpty());
}

} // namespace
} // namespace slipway::boot
