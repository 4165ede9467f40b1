#include "commands.h"
#include "hal.h"

int main(void) {
    hal_init();
    commands_run();
}
