/* The least program around a model: what size.elf has and empty.elf has is the same but for the model itself. */
#include "model.h"

int main(void) {
    model_init();
    model_invoke();
    return 0;
}
